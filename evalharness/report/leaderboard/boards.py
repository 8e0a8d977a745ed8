"""The leaderboard: rows are models, columns are tasks and means of groups. Each kind of data has its own table."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.leaderboard.cells import Cell, ModelRow
from evalharness.report.leaderboard.columns import Column, sorted_columns
from evalharness.report.leaderboard.ranking import mark_best, sorted_by_rate, with_group_means
from evalharness.report.leaderboard.rows import published_rows, rows_of_runs
from evalharness.report.naming import name_runs
from evalharness.report.published import PublishedPoint
from evalharness.report.run_metrics import rate_of
from evalharness.report.task_variant import DataKind, data_kind

HEADINGS = {
    DataKind.FULL: "",
    DataKind.SAMPLE: "Bundled sample problems, not the benchmarks",
    DataKind.UNOFFICIAL: "Unofficial data, not those of the benchmarks",
}
"""The heading of each kind of data, in the order of the tables."""
PUBLISHED_HEADING = "Published results, not measured here"


@dataclass(frozen=True)
class LeaderboardTable:
    """One table of the leaderboard: rows of models, columns of tasks, and footnotes."""

    heading: str
    """Empty for the table of full data."""
    columns: tuple[Column, ...]
    rows: tuple[ModelRow, ...]
    notes: tuple[str, ...] = ()
    """Footnotes; `footnote_mark` of their index marks the cells that they belong to."""

    @property
    def name(self) -> str:
        """The table's heading, or "Full data" if the table has no heading."""
        return self.heading or "Full data"

    @property
    def has_incomplete_runs(self) -> bool:
        return any(not cell.complete for row in self.rows for cell in row.cells.values())

    def footnote_marks(self, cell: Cell) -> str:
        """Returns the footnote marks of a table cell, such as "a,c"."""
        return ",".join(footnote_mark(self.notes.index(note)) for note in cell.notes)


def footnote_mark(index: int) -> str:
    """Returns the mark of the footnote with this index (from 0): a, b, ... z, aa, ab ..."""
    return (footnote_mark(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def leaderboard(
    runs: Sequence[Run], published: Sequence[PublishedPoint] = (), metric: str = "pass@1"
) -> list[LeaderboardTable]:
    """Returns the leaderboard's tables that are not empty: full data, sample data, unofficial data, published results.

    Raises UserError if no run has the metric.
    """
    named = [(run, name) for run, name in zip(runs, name_runs(runs), strict=True) if rate_of(run, metric)]
    if not named:
        raise UserError(f"no run has {metric}; give another --metric, or runs with enough samples per problem (--n)")
    boards = []
    for kind, heading in HEADINGS.items():
        of_kind = [(run, name) for run, name in named if data_kind(run.summary) is kind]
        if of_kind:
            boards.append(_measured_board(heading, rows_of_runs(of_kind, metric)))
    if metric == "pass@1" and (rows := published_rows(published)):
        boards.append(_make_board(PUBLISHED_HEADING, rows, _columns_of(rows)))
    return boards


def _measured_board(heading: str, rows: Sequence[ModelRow]) -> LeaderboardTable:
    """Returns a leaderboard table of measured runs, with the means of task groups and the best rates marked."""
    rows = with_group_means(rows, _columns_of(rows))
    columns = _columns_of(rows)
    return _make_board(heading, mark_best(rows, columns), columns)


def _make_board(heading: str, rows: Sequence[ModelRow], columns: Sequence[Column]) -> LeaderboardTable:
    rows = sorted_by_rate(rows, columns)
    notes = dict.fromkeys(
        note for row in rows for column in columns if column in row.cells for note in row.cells[column].notes
    )
    return LeaderboardTable(heading, tuple(columns), tuple(rows), tuple(notes))


def _columns_of(rows: Sequence[ModelRow]) -> list[Column]:
    return sorted_columns({column for row in rows for column in row.cells})
