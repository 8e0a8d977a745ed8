"""The leaderboard as Markdown, CSV and LaTeX."""

import csv
import io
from collections.abc import Callable, Sequence

from evalharness.report.leaderboard.boards import Board, Cell, Line, mark
from evalharness.report.leaderboard.columns import Column

LEGEND = (
    "Rates in % with 95 % intervals; bold: the best of a column, and what does not differ from it at the 5 % level."
)
LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}  # fmt: skip


def markdown(boards: Sequence[Board]) -> str:
    """Tables with the intervals and notes below."""
    parts = []
    for board in boards:
        rows = [_headings(board), ["---", *["---:"] * (len(board.columns) + 1), "---"]]
        rows += [
            [line.name, *(_shown(board, line, column, _markdown_cell) for column in board.columns), *_speed(line)]
            for line in board.lines
        ]
        table = "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)
        parts.append("\n\n".join(filter(None, [f"## {board.heading}" if board.heading else "", table, _notes(board)])))
    return "\n\n".join(parts) + f"\n\n{LEGEND}\n"


def as_csv(boards: Sequence[Board]) -> str:
    """One line per model and column, with all digits, for programs; speeds have lines of their own."""
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(["table", "model", "family", "task", "data", "value", "low", "high", "best", "whole", "notes"])
    for board in boards:
        table = board.heading or "Full data"
        for line in board.lines:
            for column in board.columns:
                if cell := line.cells.get(column):
                    rate = cell.rate
                    ends = (rate.low, rate.high) if rate.low < rate.high else ("", "")
                    name = f"{column.task} (mean)" if column.mean else column.task
                    writer.writerow([table, line.name, line.family, name, column.data, rate.value, *ends,
                                     int(cell.best), int(cell.whole), "; ".join(cell.notes)])  # fmt: skip
            if line.speed is not None:
                writer.writerow([table, line.name, line.family, "output_tokens_per_s", "", line.speed, "", "", "", "",
                                 line.conditions])  # fmt: skip
    return held.getvalue()


def latex(boards: Sequence[Board]) -> str:
    """Tables for the package booktabs, one after the other, with notes below each."""
    parts = []
    for board in boards:
        rows = [_headings(board)]
        rows += [
            [
                _tex(line.name),
                *(_shown(board, line, column, _latex_cell) for column in board.columns),
                *map(_tex, _speed(line)),
            ]
            for line in board.lines
        ]
        rows[0] = [_tex(cell) for cell in rows[0]]
        body = " \\\\\n".join(" & ".join(row) for row in rows[1:])
        lines = [
            f"% {board.heading or 'Full data'}",
            f"\\begin{{tabular}}{{l{'r' * len(board.columns)}rl}}",
            "\\toprule",
            " & ".join(rows[0]) + " \\\\",
            "\\midrule",
            body + " \\\\",
            "\\bottomrule",
            "\\end{tabular}",
        ]
        notes = [f"\\par\\footnotesize $^{{\\mathrm{{{mark(n)}}}}}$ {_tex(note)}" for n, note in enumerate(board.notes)]
        parts.append("\n".join([*lines, *notes]))
    return "\n\n".join(parts) + f"\n% {LEGEND}\n"


def _headings(board: Board) -> list[str]:
    names = [f"{column.title} ({column.data})" if column.data else column.title for column in board.columns]
    return ["model", *names, "tokens/s", "speed holds for"]


def _speed(line: Line) -> list[str]:
    return ["-" if line.speed is None else f"{line.speed:.1f}", line.conditions or "-"]


def _shown(board: Board, line: Line, column: Column, write: Callable[[Cell, str], str]) -> str:
    cell = line.cells.get(column)
    return "-" if cell is None else write(cell, board.notes_of(cell))


def percent(cell: Cell) -> tuple[str, str]:
    """The rate, starred where the run is incomplete, and its interval ("" where there is none)."""
    rate = cell.rate
    ends = f"[{100 * rate.low:.1f}, {100 * rate.high:.1f}]" if rate.low < rate.high else ""
    return f"{100 * rate.value:.1f}" + ("" if cell.whole else "*"), ends


def _markdown_cell(cell: Cell, notes: str) -> str:
    value, ends = percent(cell)
    value = value.replace("*", r"\*")
    return " ".join(filter(None, [f"**{value}**" if cell.best else value, ends])) + (
        f" <sup>{notes}</sup>" if notes else ""
    )


def _latex_cell(cell: Cell, notes: str) -> str:
    value, ends = percent(cell)
    shown = rf"\textbf{{{value}}}" if cell.best else value
    return shown + (rf" {{\scriptsize {ends}}}" if ends else "") + (rf"$^{{\mathrm{{{notes}}}}}$" if notes else "")


def _notes(board: Board) -> str:
    lines = [f"{mark(number)}: {note}" for number, note in enumerate(board.notes)]
    if any(not cell.whole for line in board.lines for cell in line.cells.values()):
        lines.insert(0, r"\*: the run is incomplete and not ranked")
    return "  \n".join(lines)


def _tex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)
