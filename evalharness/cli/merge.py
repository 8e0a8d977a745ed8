"""The command `evalharness merge`, which joins the runs of shards (parts of a run, from several machines)."""

from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import ExitCode, exit_if_verdicts_missing, exit_with_message
from evalharness.cli.run import print_summaries


def merge(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="New run directory; with several tasks, the folder of their runs.")
    ],
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Run directories of the shards, or folders that contain them."),
    ],
    k: opt.KsOption = "",
    data: opt.DataOption = None,
) -> None:
    """Joins the runs of shards 1/N to N/N into one run.

    The result equals that of a run without shards.
    """
    from evalharness.pipeline.merge import merge_shards

    merged = merge_shards(out, runs, data, opt.parse_comma_separated_integers("--k", k))
    print_summaries([run.summary for run in merged])
    for run in merged:
        print(f"written to {run.folder}")
    if incomplete := [f"{run.folder}: {'; '.join(run.incomplete_reasons)}" for run in merged if run.incomplete_reasons]:
        exit_with_message(" | ".join(incomplete), ExitCode.INFRASTRUCTURE)
    exit_if_verdicts_missing([run.summary for run in merged])
