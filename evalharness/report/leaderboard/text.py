"""The leaderboard as Markdown, CSV and LaTeX."""

import json
from collections.abc import Sequence

from evalharness.report.leaderboard.boards import LeaderboardTable, make_footnote_mark
from evalharness.report.leaderboard.cells import Cell
from evalharness.report.leaderboard.escaping import escape_csv_cell, escape_latex, escape_markdown
from evalharness.report.leaderboard.frames import SPEED_HEADINGS, make_long_data_frame, make_wide_data_frame
from evalharness.util.visible import escape_control_characters

LEGEND = (
    "Rates in % with 95 % confidence intervals. Bold: the highest rate of a column and all rates that are not "
    "significantly lower (5 % level)."
)
INCOMPLETE = "the run is incomplete and not ranked as best"


def leaderboard_markdown(boards: Sequence[LeaderboardTable]) -> str:
    """Returns the leaderboard's tables in Markdown, with their footnotes below them."""
    parts = []
    for board in boards:
        frame = make_wide_data_frame(board, _markdown_cell).reset_index()
        for column in ("model", *SPEED_HEADINGS):
            frame[column] = frame[column].map(escape_markdown)
        frame.columns = [escape_markdown(heading) for heading in frame.columns]
        rules = ["---", *["---:"] * (len(frame.columns) - 2), "---"]
        rows = [list(frame.columns), rules, *frame.itertuples(index=False, name=None)]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        heading = f"## {board.heading}" if board.heading else ""
        parts.append("\n\n".join(filter(None, [heading, table, _markdown_footnotes(board)])))
    return "\n\n".join(parts) + f"\n\n{LEGEND}\n"


def leaderboard_csv(boards: Sequence[LeaderboardTable]) -> str:
    """Returns the leaderboard as CSV: a line for each rate of each model, and one for its speed; not rounded."""
    return make_long_data_frame(boards, escape_csv_cell).to_csv(index=False, lineterminator="\n")


def leaderboard_json(boards: Sequence[LeaderboardTable]) -> str:
    """Returns the leaderboard as a JSON list with one object per model and task; values are not rounded."""
    records = make_long_data_frame(boards).to_dict(orient="records")
    rows = [{str(key): value for key, value in row.items() if value == value and value is not None} for row in records]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def leaderboard_latex(boards: Sequence[LeaderboardTable]) -> str:
    """Returns the leaderboard's tables in LaTeX (package booktabs), with their footnotes below them."""
    parts = []
    for board in boards:
        frame = make_wide_data_frame(board, _latex_cell).reset_index()
        for column in ("model", *SPEED_HEADINGS):
            frame[column] = frame[column].map(escape_latex)
        table = frame.to_latex(
            index=False,
            escape=False,
            header=[escape_latex(heading) for heading in frame.columns],
            column_format="l" + "r" * (len(frame.columns) - 2) + "l",
        )
        notes = [
            rf"\par\footnotesize $^{{\mathrm{{{make_footnote_mark(index)}}}}}$ {escape_latex(note)}"
            for index, note in enumerate(board.notes)
        ]
        parts.append("\n".join([f"% {escape_control_characters(board.name)}", table.rstrip("\n"), *notes]))
    return "\n\n".join(parts) + f"\n% {LEGEND}\n"


def rate_and_interval_texts(cell: Cell) -> tuple[str, str]:
    """Returns a cell's rate in percent and its confidence interval ("" if it has none) as texts.

    A star after the rate marks an incomplete run.
    """
    rate = cell.rate
    interval = f"[{100 * rate.low:.1f}, {100 * rate.high:.1f}]" if rate.has_interval else ""
    return f"{100 * rate.value:.1f}" + ("" if cell.complete else "*"), interval


def _markdown_cell(cell: Cell, footnote_marks: str) -> str:
    value, interval = rate_and_interval_texts(cell)
    value = value.replace("*", r"\*")
    parts = [f"**{value}**" if cell.best else value, interval, f"<sup>{footnote_marks}</sup>" if footnote_marks else ""]
    return " ".join(filter(None, parts))


def _markdown_footnotes(board: LeaderboardTable) -> str:
    notes = [f"{make_footnote_mark(index)}: {escape_markdown(note)}" for index, note in enumerate(board.notes)]
    if board.has_incomplete_runs:
        notes.insert(0, rf"\*: {INCOMPLETE}")
    return "  \n".join(notes)


def _latex_cell(cell: Cell, footnote_marks: str) -> str:
    value, interval = rate_and_interval_texts(cell)
    shown = rf"\textbf{{{value}}}" if cell.best else value
    small = rf" {{\scriptsize {interval}}}" if interval else ""
    return shown + small + (rf"$^{{\mathrm{{{footnote_marks}}}}}$" if footnote_marks else "")
