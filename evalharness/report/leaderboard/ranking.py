"""Adds means of task groups to a leaderboard, marks the best rates of each column, and sorts the rows."""

from collections.abc import Sequence
from dataclasses import replace

from evalharness.metrics.intervals import difference_of_independent_rates_interval, mean_of_rates_interval
from evalharness.report.leaderboard.cells import Cell, ModelRow
from evalharness.report.leaderboard.columns import Column, TaskGroupColumns, find_task_group_columns
from evalharness.report.run_metrics import RateEstimate


def add_group_means(rows: Sequence[ModelRow], columns: Sequence[Column]) -> list[ModelRow]:
    """Returns the rows with added cells: the mean rate of each task group, in the rows that have all its tasks."""
    groups = find_task_group_columns(columns)
    return [replace(row, cells={**row.cells, **_make_group_mean_cells(row, groups)}) for row in rows]


def _make_group_mean_cells(row: ModelRow, groups: Sequence[TaskGroupColumns]) -> dict[Column, Cell]:
    """Returns a cell with the mean rate of each task group of which the row has all tasks, by the mean's column."""
    means: dict[Column, Cell] = {}
    for group, members in groups:
        cells = [row.cells[member] for member in members if member in row.cells]
        if len(cells) == len(members) and group not in row.cells:
            value = sum(cell.rate.value for cell in cells) / len(cells)
            notes = tuple(dict.fromkeys(note for cell in cells for note in cell.notes))
            rate = RateEstimate(value, *mean_of_rates_interval([cell.rate.value_low_high() for cell in cells]))
            means[group] = Cell(rate, notes=notes, complete=all(cell.complete for cell in cells))
    return means


def mark_best_rates(rows: Sequence[ModelRow], columns: Sequence[Column]) -> list[ModelRow]:
    """Returns the rows with the best rates of each column marked: the highest and all not significantly lower.

    A rate is not significantly lower if the 95 % interval of its difference to the highest rate includes 0; the two
    rates are treated as independent. Incomplete runs are never marked, and no rate is marked in a column with fewer
    than two complete runs.
    """
    marked = {row.name: dict(row.cells) for row in rows}
    for column in columns:
        cells = {row.name: row.cells[column] for row in rows if column in row.cells and row.cells[column].complete}
        if len(cells) < 2:
            continue
        highest = max(cells.values(), key=lambda cell: cell.rate.value).rate.value_low_high()
        for name, cell in cells.items():
            if difference_of_independent_rates_interval(highest, cell.rate.value_low_high())[0] <= 0:
                marked[name][column] = replace(cell, best=True)
    return [replace(row, cells=marked[row.name]) for row in rows]


def sort_rows_by_rate(rows: Sequence[ModelRow], columns: Sequence[Column]) -> list[ModelRow]:
    """Returns the rows sorted by descending rate in the first column; ties are decided by the next columns."""
    return sorted(
        rows, key=lambda row: [-row.cells[column].rate.value if column in row.cells else 1.0 for column in columns]
    )
