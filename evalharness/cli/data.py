"""The `evalharness data` commands."""

from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli.arguments import show_help
from evalharness.util.text import counted

app = typer.Typer(help="The benchmarks' data.", callback=show_help, invoke_without_command=True)

Tasks = Annotated[list[str] | None, typer.Argument(help="Task or group names. [default: all]")]
Folder = Annotated[Path, typer.Option("--dir", envvar="EVALHARNESS_DATA", help="Where to put them.")]
Every = Annotated[bool, typer.Option("--all-versions", help="Every version, not only the default one.")]


@app.command()
def pull(tasks: Tasks = None, folder: Folder = Path("data"), all_versions: Every = False) -> None:
    """Fetches and checks data for a machine without a network.

    There $EVALHARNESS_DATA takes them. Exits 2 if some could not be had.
    """
    from evalharness.data import download as pulling
    from evalharness.data.cards import EVERYTHING, expand

    failed = 0
    for found in pulling.pull(expand(",".join(tasks or [EVERYTHING])), folder, all_versions):
        what = (
            f"{counted(found.problems, 'problem')} in {found.path}" if found.path else f"not to be had: {found.error}"
        )
        print(f"{found.task} {found.version}: {what}", flush=True)
        failed += not found.path
    if failed:
        raise typer.Exit(2)
    print(f"to use them: export EVALHARNESS_DATA={folder.resolve()}")
