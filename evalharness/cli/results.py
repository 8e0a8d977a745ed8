"""The commands that read finished runs: `compare`, `frontier`, `leaderboard` and `report`."""

from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli import options as opt
from evalharness.cli.common import log
from evalharness.errors import UserError
from evalharness.util.files import write_atomically
from evalharness.util.number_checks import check_above_zero, check_at_least
from evalharness.util.text import counted

EVERY_EVAL_EVER = "every-eval-ever"
PublishedOption = Annotated[
    str,
    typer.Option(
        metavar="SET,...|all",
        help="Published results to add: names of sets in results/published, separated by commas, or `all`. "
        "[default: none]",
    ),
]
MetricOption = Annotated[
    str, typer.Option(metavar="NAME", help="Rate to show, such as pass@1, pass@10 or base_pass@1.")
]
FORMAT_OF_SUFFIX = {"tex": "latex", "htm": "html"}


def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Run directory, or a folder with one run per task.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Run or folder that is compared with the first.")],
    show: Annotated[
        int,
        typer.Option(metavar="N", help="Number of problems to print in full among those whose result changed."),
    ] = 0,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Test for non-inferiority: percentage points by which the second run may be worse. [default: no test]",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|hub|sample",
            help="Source of the prompts that --show prints: a folder, `hub` or `sample`. "
            "[default: the folder $EVALHARNESS_DATA if that is set, else the run's own source]",
        ),
    ] = None,
) -> None:
    """Compares two runs and tests whether they differ.

    Prints differences of quality and speed with confidence intervals, and the problems whose result changed.
    """
    from evalharness.report.compare.comparison import compare_runs_by_task
    from evalharness.report.compare.text import comparison_lines
    from evalharness.report.runs import load_runs

    check_at_least(0, {"--show": show})
    check_above_zero({"--margin": margin})
    for line in comparison_lines(
        compare_runs_by_task(load_runs([first], log), load_runs([second], log), log), margin, show, data
    ):
        print(line)


def frontier(
    runs: opt.RunsArgument,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Picture to write: .png, .svg, .pdf, or .html, which shows details of each point."
        ),
    ],
    published: PublishedOption = "",
    metric: MetricOption = "pass@1",
    speed: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Kind of tokens/s: `aggregate` over the run, `steady` at constant concurrency, `request` for one "
            "request, or `common` with one tokenizer for all models. "
            "[default: request with --published, since published speeds are of one request; else aggregate]",
        ),
    ] = "",
) -> None:
    """Draws pass rate against tokens/s, one point per run.

    Also lists the runs on the Pareto frontier.
    """
    from evalharness.report.frontier.captions import pareto_frontier_lines
    from evalharness.report.frontier.picture import write_frontier_plot
    from evalharness.report.frontier.points import make_frontier_panels
    from evalharness.report.published import load_published_results
    from evalharness.report.run_metrics import resolve_speed_kind
    from evalharness.report.runs import load_runs

    kind = resolve_speed_kind(speed, bool(published))
    drawn = make_frontier_panels(load_runs(runs, log), load_published_results(published), metric, kind, log)
    omitted_labels = write_frontier_plot(drawn, out, metric, kind, bool(published))
    for panel in drawn:
        print("\n".join(pareto_frontier_lines(panel)))
    if omitted_labels:
        log(f"{counted(omitted_labels, 'label')} did not fit into the picture; an .html file names every point")
    print(f"written to {out}")


def leaderboard(
    runs: opt.RunsArgument,
    format: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="md, csv, json, latex or html; or every-eval-ever: a folder of records of runs and samples in the "
            "schema of the Every Eval Ever datastore. [default: as the suffix of --out says, else md]",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write; for every-eval-ever a folder. [default: print the table]"),
    ] = None,
    published: PublishedOption = "",
    metric: MetricOption = "pass@1",
    organization: Annotated[
        str, typer.Option(metavar="NAME", help="For every-eval-ever: who ran the evaluation. [default: unknown]")
    ] = "",
    relationship: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="For every-eval-ever: relationship of the organization to the models: first_party, third_party, "
            "collaborative or other. [default: other]",
        ),
    ] = "",
    developer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="For every-eval-ever: developer of the models whose names do not begin with one, as in "
            "DEVELOPER/NAME. [default: unknown]",
        ),
    ] = "",
) -> None:
    """Writes a table of models and tasks, with speed.

    The highest rate of a column, and rates that are not significantly lower, are bold.
    """
    from evalharness.report.leaderboard.boards import make_leaderboard_tables
    from evalharness.report.leaderboard.html import leaderboard_html_page
    from evalharness.report.leaderboard.text import (
        leaderboard_csv,
        leaderboard_json,
        leaderboard_latex,
        leaderboard_markdown,
    )
    from evalharness.report.published import load_published_results
    from evalharness.report.runs import load_runs

    if format == EVERY_EVAL_EVER:
        if published:
            raise UserError(f"--format {EVERY_EVAL_EVER} only exports measured runs; leave --published out")
        export_every_eval_ever_records(runs, out, organization, relationship, developer)
        return
    if organization or relationship or developer:
        raise UserError(f"--organization, --relationship and --developer need --format {EVERY_EVAL_EVER}; add it")
    writers = {
        "md": leaderboard_markdown,
        "csv": leaderboard_csv,
        "json": leaderboard_json,
        "latex": leaderboard_latex,
        "html": leaderboard_html_page,
    }
    suffix = out.suffix[1:] if out else ""
    chosen = format or FORMAT_OF_SUFFIX.get(suffix, suffix) or "md"
    if chosen not in writers:
        unknown_format = f"--format {chosen}" if format else f"the format of {out}"
        raise UserError(f"{unknown_format} is unknown; give --format one of {', '.join([*writers, EVERY_EVAL_EVER])}")
    text = writers[chosen](make_leaderboard_tables(load_runs(runs, log), load_published_results(published), metric))
    if out is None:
        print(text, end="")
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, text.encode())
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another file with --out") from None
    print(f"written to {out}")


def export_every_eval_ever_records(
    run_folders: list[Path],
    out: Path | None,
    evaluating_organization: str,
    relationship_to_developer: str,
    default_model_developer: str,
) -> None:
    """Writes runs and samples as records for the Every Eval Ever datastore, and prints their paths."""
    from evalharness.report.every_eval_ever.export import ExportMetadata, write_every_eval_ever_records
    from evalharness.report.every_eval_ever.schema import parse_evaluator_relationship
    from evalharness.report.runs import load_runs

    if out is None:
        raise UserError(f"--format {EVERY_EVAL_EVER} writes a folder; give it with --out DIR")
    evaluator = ExportMetadata(
        evaluating_organization, parse_evaluator_relationship(relationship_to_developer), default_model_developer
    )
    for path in write_every_eval_ever_records(load_runs(run_folders, log), out, evaluator, log):
        print(f"written to {path}")


def report(
    runs: opt.RunsArgument,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write; an existing report in it is replaced.")
    ] = Path("results/report"),
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|hub|sample",
            help="Source of the prompts: a folder, `hub` or `sample`. "
            "[default: the folder $EVALHARNESS_DATA if that is set, else the run's own source]",
        ),
    ] = None,
    published: PublishedOption = "",
) -> None:
    """Writes HTML pages about runs, down to single samples.

    They show the frontier, the leaderboard, and each problem with the model's samples. The pages are static files that
    need neither a server nor a network.
    """
    from evalharness.data.sources import parse_data_source
    from evalharness.report.page.page import write_report
    from evalharness.report.published import load_published_results
    from evalharness.report.runs import load_runs

    if data is not None:
        parse_data_source(data)
    page = write_report(load_runs(runs, log), out, data, load_published_results(published), log)
    print(f"written; open {page} in a browser")
