"""The commands that read finished runs: compare, frontier and leaderboard."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalharness.errors import UserError
from evalharness.util.text import counted

app = typer.Typer(rich_markup_mode=None)

Runs = Annotated[list[Path], typer.Argument(help="Run directories, or folders of them.", show_default=False)]
Published = Annotated[
    str, typer.Option(help="Published points to show: sets of results/published separated by commas, or all.")
]
Metric = Annotated[str, typer.Option(help="The rate to show, such as pass@1, pass@10 or base_pass@1.")]


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A run directory, or a folder with one run per task.")],
    second: Annotated[Path, typer.Argument(help="Another, which is compared with the first.")],
    show: Annotated[int, typer.Option(help="How many flipped problems to show whole.")] = 0,
    margin: Annotated[
        float | None, typer.Option(help="Points by which the second may be worse: tests for non-inferiority.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Where --show finds prompts: a folder, hub, or sample.")] = None,
) -> None:
    """Tells the difference of two runs, and how sure it is.

    Of quality and speed, with intervals, and which problems flipped and why.
    """
    from evalharness.report.compare.comparison import compare_all
    from evalharness.report.compare.text import report
    from evalharness.report.runs import load_runs

    if show < 0 or (margin is not None and margin <= 0):
        raise UserError("--show must be at least 0 and --margin above 0")
    for line in report(compare_all(load_runs([first], note), load_runs([second], note), note), margin, show, data):
        print(line)


@app.command()
def frontier(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="The picture: .png, .svg, or .html, which tells about each point.")],
    published: Published = "",
    metric: Metric = "pass@1",
    speed: Annotated[
        str, typer.Option(help="Which tokens/s: aggregate, steady, request, or common (one tokenizer for all).")
    ] = "aggregate",
) -> None:
    """Draws quality against speed, one point per run.

    It lists the Pareto frontier, too.
    """
    from evalharness.report.frontier.picture import draw
    from evalharness.report.frontier.points import listing, panels
    from evalharness.report.published import load_published
    from evalharness.report.run_metrics import SPEEDS
    from evalharness.report.runs import load_runs

    if speed not in SPEEDS:
        raise UserError(f"--speed {speed} is unknown; known: {', '.join(SPEEDS)}")
    every = panels(load_runs(runs, note), load_published(published), metric, speed, note)
    left_out = draw(every, out, metric, speed, bool(published))
    for panel in every:
        print("\n".join(listing(panel)))
    if left_out:
        note(f"{counted(left_out, 'label')} had no room in the picture; an .html names every point")
    print(f"written to {out}")


@app.command()
def leaderboard(
    runs: Runs,
    format: Annotated[str, typer.Option(help="md, csv, latex or html. [default: by --out's ending, md]")] = "",
    out: Annotated[Path | None, typer.Option(help="The file to write. [default: print it]")] = None,
    published: Published = "",
    metric: Metric = "pass@1",
) -> None:
    """Writes a table of models and tasks, with speed.

    Best in bold, ties by interval.
    """
    from evalharness.report.leaderboard.boards import leaderboard as boards
    from evalharness.report.leaderboard.html import html
    from evalharness.report.leaderboard.text import as_csv, latex, markdown
    from evalharness.report.published import load_published
    from evalharness.report.runs import load_runs

    writers = {"md": markdown, "csv": as_csv, "latex": latex, "html": html}
    ending = {"tex": "latex", "htm": "html"}.get(out.suffix[1:], out.suffix[1:]) if out else ""
    chosen = format or ending or "md"
    if chosen not in writers:
        what = f"--format {chosen}" if format else f"the format of {out}"
        raise UserError(f"{what} is unknown; give --format one of {', '.join(writers)}")
    text = writers[chosen](boards(load_runs(runs, note), load_published(published), metric))
    if out is None:
        print(text, end="")
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another --out") from None
    print(f"written to {out}")


def note(text: str) -> None:
    """A remark, apart from what the command prints."""
    print(text, file=sys.stderr)
