"""The leaderboard as pandas DataFrames, from which its text formats are written."""

from collections.abc import Callable, Sequence

import pandas as pd

from evalharness.report.leaderboard.boards import LeaderboardTable
from evalharness.report.leaderboard.cells import Cell, ModelRow

ABSENT = "-"
SPEED_HEADINGS = ("tokens/s", "speed conditions")


def make_wide_data_frame(board: LeaderboardTable, format_cell: Callable[[Cell, str], str]) -> pd.DataFrame:
    """Returns a leaderboard table as a DataFrame of texts: one row per model; columns for tasks, tokens/s, conditions.

    `format_cell` converts a cell and its footnote marks into text.
    """
    headings = [f"{column.title} ({column.data})" if column.data else column.title for column in board.columns]

    def format_row_cells(row: ModelRow) -> list[str]:
        """Returns the texts of a row: its rates in the order of the columns, tokens/s, and measurement conditions."""
        cells = [row.cells.get(column) for column in board.columns]
        rates = [format_cell(cell, board.footnote_marks(cell)) if cell else ABSENT for cell in cells]
        speed = ABSENT if row.tokens_per_s is None else f"{row.tokens_per_s:.1f}"
        return [*rates, speed, row.speed_conditions or ABSENT]

    models = pd.Index([row.name for row in board.rows], name="model")
    return pd.DataFrame(list(map(format_row_cells, board.rows)), models, [*headings, *SPEED_HEADINGS])


def make_long_data_frame(boards: Sequence[LeaderboardTable], escape_text: Callable[[str], str] = str) -> pd.DataFrame:
    """Returns leaderboard tables as one DataFrame with a row for each rate of each model, and one for its speed.

    Values are not rounded. `low` and `high` are empty for speeds and for published rates, which have no interval.
    `escape_text`, such as `escape_csv_cell`, is applied to each text in the table.
    """
    records: list[dict[str, object]] = []
    for board in boards:
        for row in board.rows:
            model = {"table": board.name, "model": row.name, "family": row.family}
            for column in board.columns:
                if cell := row.cells.get(column):
                    records.append({**model, "task": column.name, "data": column.data, **_cell_to_row_fields(cell)})
            if row.tokens_per_s is not None:
                speed = {"task": "output_tokens_per_s", "value": row.tokens_per_s, "notes": row.speed_conditions}
                records.append({**model, **speed})
    columns = ["table", "model", "family", "task", "data", "value", "low", "high", "best", "complete", "notes"]
    for record in records:
        record.update({key: escape_text(value) for key, value in record.items() if isinstance(value, str)})
    return pd.DataFrame(records, columns=columns, dtype=object)  # Integers stay integers beside empty values.


def _cell_to_row_fields(cell: Cell) -> dict[str, object]:
    """Returns the values of a leaderboard cell for its row of the long DataFrame, by column name."""
    ends = {"low": cell.rate.low, "high": cell.rate.high} if cell.rate.has_interval else {}
    flags = {"best": int(cell.best), "complete": int(cell.complete)}
    return {"value": cell.rate.value, **ends, **flags, "notes": "; ".join(cell.notes)}
