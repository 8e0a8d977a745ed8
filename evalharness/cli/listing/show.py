"""The command `evalharness show`, which prints one sample of a run."""

from pathlib import Path
from typing import Annotated

import typer


def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    task_id: Annotated[str, typer.Argument(metavar="TASK_ID", help="Id of a problem, such as HumanEval/0.")],
    sample: Annotated[int, typer.Argument(metavar="SAMPLE", help="Number of the sample.")] = 0,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|hub|sample",
            help="Source of the prompt and the tests: a folder, `hub` or `sample`. "
            "[default: the folder $EVALHARNESS_DATA if that is set, else the run's own source]",
        ),
    ] = None,
) -> None:
    """Prints one sample of a run with its program and verdict.

    Prints prompt, answer, program, tests and verdict; the program is what was extracted from the answer and ran.
    """
    from evalharness.data.runs import open_run
    from evalharness.report.sample_text import sample_lines

    for line in sample_lines(open_run(run), task_id, sample, data):
        print(line)
