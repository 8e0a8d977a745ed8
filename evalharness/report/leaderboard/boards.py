"""The leaderboard: rows are models, columns tasks and the means of groups, in tables that keep unlike runs apart."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalharness.errors import UserError
from evalharness.metrics.intervals import independent_difference_interval, mean_of_rates_interval
from evalharness.report.leaderboard.columns import Column, column_of, group_columns, in_order
from evalharness.report.naming import Family, RunName, name_runs
from evalharness.report.published import PublishedPoint
from evalharness.report.run_metrics import Rate, rate_of, shortfall, speed_conditions, standing
from evalharness.report.runs import RunRecord

STANDINGS = {
    "full": "",
    "sample": "Bundled sample problems, not the benchmarks",
    "other data": "Other data than the official",
    "published": "Published, not measured here",
}
"""The tables, in order, with their headings."""


@dataclass(frozen=True)
class Cell:
    """A rate in the table."""

    rate: Rate
    best: bool = False
    """The highest of its column, or no worse than it at 5 %, by the interval of the difference."""
    notes: tuple[str, ...] = ()
    """What the reader has to know, such as that the run is incomplete."""
    whole: bool = True


@dataclass(frozen=True)
class Line:
    """One model."""

    name: str
    family: Family
    cells: Mapping[Column, Cell]
    speed: float | None = None
    """Output tokens/s over all of its runs: all tokens / the sum of their seconds."""
    conditions: str = ""


@dataclass(frozen=True)
class Board:
    """One table."""

    heading: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = field(default=())

    def notes_of(self, cell: Cell) -> str:
        """The marks of a cell's notes, such as "a,c"."""
        return ",".join(mark(self.notes.index(note)) for note in cell.notes)


def mark(number: int) -> str:
    """a, b, ... z, aa, ab ..."""
    return (mark(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def leaderboard(
    runs: Sequence[RunRecord], published: Sequence[PublishedPoint] = (), metric: str = "pass@1"
) -> list[Board]:
    """The tables that have rows: full data, samples, other data, and published points.

    Raises UserError where no run has the metric.
    """
    named = [(run, name) for run, name in zip(runs, name_runs(runs), strict=True) if rate_of(run, metric)]
    if not named:
        raise UserError(
            f"none of the runs has {metric}; choose another --metric, or runs with enough samples a problem"
        )
    boards = []
    for kind in ("full", "sample", "other data"):
        of_kind = [(run, name) for run, name in named if standing(run) == kind]
        if of_kind:
            boards.append(_board(STANDINGS[kind], _lines(of_kind, metric)))
    if metric == "pass@1" and (lines := published_lines(published)):
        boards.append(_board(STANDINGS["published"], lines))
    return boards


def _lines(named: Sequence[tuple[RunRecord, RunName]], metric: str) -> list[Line]:
    """One line per name. Two runs of one name on one task, such as repeats, get lines of their own."""
    held: dict[tuple[str, int], dict[Column, RunRecord]] = defaultdict(dict)
    families: dict[tuple[str, int], Family] = {}
    for run, name in named:
        column, repeat = column_of(run.summary), 0
        while column in held[name.label, repeat]:
            repeat += 1
        held[name.label, repeat][column] = run
        families[name.label, repeat] = name.family
    recipes = _usual_recipes([run for run, _ in named])
    return [
        Line(
            label + (f" [{repeat + 1}]" if repeat else ""),
            families[label, repeat],
            {column: _cell(run, metric, recipes[column]) for column, run in of_line.items()},
            total_speed(list(of_line.values())),
            "; ".join(dict.fromkeys(filter(None, map(speed_conditions, of_line.values())))),
        )
        for (label, repeat), of_line in held.items()
        if of_line
    ]


def _cell(run: RunRecord, metric: str, usual: str) -> Cell:
    rate, lacking = rate_of(run, metric), shortfall(run)
    assert rate is not None
    recipe = str(run.summary.get("recipe", ""))
    notes = [f"incomplete: {lacking}"] if lacking else []
    notes += [f"recipe {recipe}"] if recipe and recipe != usual else []
    notes += [f"middle {run.summary['middle']}"] if run.summary.get("middle", "free") != "free" else []
    notes += [str(run.summary["note"])] if run.summary.get("note") else []
    return Cell(rate, notes=tuple(notes), whole=not lacking)


def _usual_recipes(runs: Sequence[RunRecord]) -> dict[Column, str]:
    """The recipe that most runs of a column have; the others are noted."""
    counts: dict[Column, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for run in runs:
        counts[column_of(run.summary)][str(run.summary.get("recipe", ""))] += 1
    return {column: max(by.items(), key=lambda item: item[1])[0] for column, by in counts.items()}


def total_speed(runs: Sequence[RunRecord]) -> float | None:
    """Output tokens of all timed runs / the sum of the seconds that they took; None where none was timed."""
    timed = [run.summary["speed"] for run in runs if run.summary.get("speed", {}).get("output_tokens_per_s")]
    seconds = sum(speed["output_tokens"] / speed["output_tokens_per_s"] for speed in timed)
    return sum(speed["output_tokens"] for speed in timed) / seconds if seconds else None


def published_lines(points: Sequence[PublishedPoint]) -> list[Line]:
    """One line per published model and set; where a source has a figure twice, its first."""
    held: dict[tuple[str, str], dict[Column, Cell]] = defaultdict(dict)
    speeds: dict[tuple[str, str], PublishedPoint] = {}
    families: dict[tuple[str, str], Family] = {}
    for point in points:
        name = point.model + (f", {point.setting}" if point.setting else "")
        families[name, point.set] = point.family
        if point.is_speed:
            speeds.setdefault((name, point.set), point)
        if point.is_rate and point.task:
            value = point.value / 100
            notes = tuple(filter(None, ["one second-hand copy" if point.one_copy else "", point.conditions]))
            held[name, point.set].setdefault(
                column_of({"task": point.task}), Cell(Rate(value, value, value), notes=notes)
            )
    return [
        Line(
            f"{key[0]} [{key[1]}]", families[key], cells,
            speeds[key].value if key in speeds else None,
            f"{speeds[key].hardware or 'hardware not stated'}, {speeds[key].benchmark}" if key in speeds else "",
        )
        for key, cells in held.items()
    ]  # fmt: skip


def _board(heading: str, lines: Sequence[Line]) -> Board:
    columns = in_order({column for line in lines for column in line.cells})
    widened = [_with_groups(line, columns) if heading != STANDINGS["published"] else line for line in lines]
    columns = in_order({column for line in widened for column in line.cells})
    if heading != STANDINGS["published"]:
        widened = _mark_best(widened, columns)
    ranked = sorted(widened, key=lambda line: _rank(line, columns))
    notes = dict.fromkeys(note for line in ranked for column in columns if column in line.cells
                          for note in line.cells[column].notes)  # fmt: skip
    return Board(heading, tuple(columns), tuple(ranked), tuple(notes))


def _with_groups(line: Line, columns: Sequence[Column]) -> Line:
    """The line with the mean of each group all of whose tasks it has; a group of one version has a column."""
    means: dict[Column, Cell] = {}
    for group, members in group_columns(columns):
        cells = [line.cells[member] for member in members if member in line.cells]
        if len(cells) == len(members) and group not in line.cells:
            value = sum(cell.rate.value for cell in cells) / len(cells)
            notes = tuple(dict.fromkeys(note for cell in cells for note in cell.notes))
            rate = Rate(value, *mean_of_rates_interval([cell.rate.triple for cell in cells]))
            means[group] = Cell(rate, notes=notes, whole=all(cell.whole for cell in cells))
    return Line(line.name, line.family, {**line.cells, **means}, line.speed, line.conditions)


def _mark_best(lines: Sequence[Line], columns: Sequence[Column]) -> list[Line]:
    """Incomplete runs are never best. Among several, one that is alone in its column is not compared, so not best."""
    marked = {line.name: dict(line.cells) for line in lines}
    for column in columns:
        whole = {line.name: line.cells[column] for line in lines if column in line.cells and line.cells[column].whole}
        if len(whole) < 2:
            continue
        top = max(whole.values(), key=lambda cell: cell.rate.value)
        for name, cell in whole.items():
            if independent_difference_interval(top.rate.triple, cell.rate.triple)[0] <= 0:
                marked[name][column] = Cell(cell.rate, True, cell.notes, cell.whole)
    return [Line(line.name, line.family, marked[line.name], line.speed, line.conditions) for line in lines]


def _rank(line: Line, columns: Sequence[Column]) -> tuple[Any, ...]:
    """By the first column downwards; who lacks it comes after, by the next one."""
    return tuple(-line.cells[column].rate.value if column in line.cells else 1.0 for column in columns)
