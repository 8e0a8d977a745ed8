"""The command `evalharness data pull`, which downloads benchmark data."""

from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli.common import ExitCode, show_help
from evalharness.util.text import counted

app = typer.Typer(help="Downloads the tasks' data.", callback=show_help, invoke_without_command=True)


@app.command()
def pull(
    tasks: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Tasks or task groups. [default: all tasks]")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", envvar="EVALHARNESS_DATA", help="Folder to download to.")
    ] = Path("data"),
    all_versions: Annotated[
        bool,
        typer.Option("--all-versions", help="Download every version of the data. [default: the default version only]"),
    ] = False,
) -> None:
    """Downloads and verifies data for later use without a network.

    To use the data, set $EVALHARNESS_DATA to the folder. Exits 2 if some data are not available.
    """
    from evalharness.data.cards import ALL_TASKS, expand_task_names
    from evalharness.data.download import pull_data

    failed = 0
    for pulled in pull_data(expand_task_names(",".join(tasks or [ALL_TASKS])), folder, all_versions):
        result = (
            f"{counted(pulled.problems, 'problem')} in {pulled.path}"
            if pulled.path
            else f"not available: {pulled.error}"
        )
        print(f"{pulled.task} {pulled.version}: {result}", flush=True)
        failed += not pulled.path
    if failed:
        raise typer.Exit(ExitCode.USER)
    print(f"to use the data: export EVALHARNESS_DATA={folder.resolve()}")
