"""The leaderboard: rows are models, columns are tasks and means of groups. Each kind of data has its own table."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.leaderboard.cells import Cell, ModelRow
from evalharness.report.leaderboard.columns import Column, sort_columns
from evalharness.report.leaderboard.ranking import add_group_means, mark_best_rates, sort_rows_by_rate
from evalharness.report.leaderboard.rows import make_published_rows, make_rows_of_runs
from evalharness.report.naming import name_runs
from evalharness.report.published import PublishedResult
from evalharness.report.run_metrics import pass_rate_of
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
    """Footnotes; `make_footnote_mark` of their index marks the cells that they belong to."""

    @property
    def name(self) -> str:
        """The table's heading, or "Full data" if the table has no heading."""
        return self.heading or "Full data"

    @property
    def has_incomplete_runs(self) -> bool:
        return any(not cell.complete for row in self.rows for cell in row.cells.values())

    def footnote_marks(self, cell: Cell) -> str:
        """Returns the footnote marks of a table cell, such as "a,c"."""
        return ",".join(make_footnote_mark(self.notes.index(note)) for note in cell.notes)


def make_footnote_mark(footnote_index: int) -> str:
    """Returns the mark of the footnote with this index (from 0): a, b, ... z, aa, ab ..."""
    return (make_footnote_mark(footnote_index // 26 - 1) if footnote_index >= 26 else "") + chr(
        ord("a") + footnote_index % 26
    )


def make_leaderboard_tables(
    runs: Sequence[Run], published: Sequence[PublishedResult] = (), metric: str = "pass@1"
) -> list[LeaderboardTable]:
    """Returns the leaderboard's tables that are not empty: full data, sample data, unofficial data, published results.

    Raises UserError if no run has the pass rate `metric`.
    """
    named = [(run, name) for run, name in zip(runs, name_runs(runs), strict=True) if pass_rate_of(run, metric)]
    if not named:
        raise UserError(f"no run has {metric}; give another --metric, or runs with enough samples per problem (--n)")
    boards = []
    for kind, heading in HEADINGS.items():
        of_kind = [(run, name) for run, name in named if data_kind(run.summary) is kind]
        if of_kind:
            boards.append(_make_table_of_measured_runs(heading, make_rows_of_runs(of_kind, metric)))
    if metric == "pass@1" and (rows := make_published_rows(published)):
        boards.append(_make_table(PUBLISHED_HEADING, rows, _collect_columns(rows)))
    return boards


def _make_table_of_measured_runs(heading: str, rows: Sequence[ModelRow]) -> LeaderboardTable:
    """Returns a leaderboard table of measured runs, with the means of task groups and the best rates marked."""
    rows = add_group_means(rows, _collect_columns(rows))
    columns = _collect_columns(rows)
    return _make_table(heading, mark_best_rates(rows, columns), columns)


def _make_table(heading: str, rows: Sequence[ModelRow], columns: Sequence[Column]) -> LeaderboardTable:
    rows = sort_rows_by_rate(rows, columns)
    notes = dict.fromkeys(
        note for row in rows for column in columns if column in row.cells for note in row.cells[column].notes
    )
    return LeaderboardTable(heading, tuple(columns), tuple(rows), tuple(notes))


def _collect_columns(rows: Sequence[ModelRow]) -> list[Column]:
    return sort_columns({column for row in rows for column in row.cells})
