"""The `evalharness report` command."""

from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli.results import Published, Runs, note

Out = Annotated[Path, typer.Option(help="The folder to write; a report that is there is replaced.")]
Data = Annotated[
    str | None,
    typer.Option(help="Where prompts come from: a folder, hub, or sample. [default: $EVALHARNESS_DATA, the run's own]"),
]


def report(runs: Runs, out: Out = Path("results/report"), data: Data = None, published: Published = "") -> None:
    """Writes a page of runs, down to every single sample.

    It has frontier, leaderboard, and every problem with what the model made of it. It is a folder of plain files, and
    needs no server and no network.
    """
    from evalharness.data.loading import resolve_source
    from evalharness.report.page.page import write_page
    from evalharness.report.published import load_published
    from evalharness.report.runs import load_runs

    if data is not None:
        resolve_source(data)
    page = write_page(load_runs(runs, note), out, data, load_published(published), note)
    print(f"written: open {page} in a browser")
