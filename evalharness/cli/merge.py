"""The command `merge`."""

from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli.arguments import parse_numbers

app = typer.Typer(rich_markup_mode=None)


@app.command()
def merge(
    out: Annotated[Path, typer.Argument(help="The new run directory; with several tasks, its parent.")],
    runs: Annotated[list[Path], typer.Argument(help="The shards' run directories, or folders of them.")],
    k: Annotated[str, typer.Option("--k", help="pass@k to report, such as 1,10. [default: all that n allows]")] = "",
    data: Annotated[
        str | None, typer.Option(help="The tasks' data: a folder or hub. [default: $EVALHARNESS_DATA, hub]")
    ] = None,
) -> None:
    """Joins the runs of shards 1/n to n/n into one.

    It equals a single run.
    """
    from evalharness.cli import main as cli
    from evalharness.pipeline.merge import merge as join
    from evalharness.report.summary_table import facet_tables, summary_table

    done = join(out, runs, data, parse_numbers("--k", k))
    summaries = [one.summary for one in done]
    cli.print_wide(summary_table(summaries))
    for table in facet_tables(summaries):
        cli.print_wide(table)
    for one in done:
        print(f"written to {one.folder}")
    if lacking := [f"{one.folder}: {'; '.join(one.missing)}" for one in done if one.missing]:
        cli.fail(" | ".join(lacking), 1)
    cli.require_verdicts(summaries)
