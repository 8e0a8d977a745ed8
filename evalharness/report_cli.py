"""The `evalharness report` command."""

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[list[Path], typer.Argument(help="Run directories, or folders of them.", show_default=False)]
Out = Annotated[Path, typer.Option(help="The folder to write; a report that is there is replaced.")]
Data = Annotated[
    str | None,
    typer.Option(help="Where prompts are read from: a folder, hub, or sample. [default: where the runs had them]"),
]


def report(runs: Runs, out: Out = Path("report"), data: Data = None) -> None:
    """Writes a page of runs: frontier, leaderboard, and every problem with what the model made of it.

    The page is a folder of plain files. It needs no server and no network.
    """
    from evalharness.data import resolve_source
    from evalharness.report.page import write_page
    from evalharness.report.runs import load_runs

    if data is not None:
        resolve_source(data)
    page = write_page(load_runs(runs, note), out, data, note)
    print(f"written: open {page} in a browser")


def note(text: str) -> None:
    """A line for the person who waits."""
    typer.echo(text, err=True)
