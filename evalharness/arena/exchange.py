"""Import and export of arena votes as CSV, including the votes that Copilot Arena published."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalharness.arena.records import Pair, Side, Vote
from evalharness.arena.rows import vote_of, vote_row
from evalharness.arena.store import VoteStore
from evalharness.errors import UserError
from evalharness.util.files import atomic_write

SIDE_COLUMNS = ("model", "sample_id", "passed", "status", "total_s", "output_tokens", "wait_s")
COLUMNS = (
    "id", "task", "task_id", "arm", "voter", "voter_kind",
    *(f"{side}_{name}" for side in ("first", "second") for name in SIDE_COLUMNS),
    "choice", "ms", "drawn_at", "voted_at",
)  # fmt: skip
REQUIRED = ("first_model", "second_model", "choice")
"""Columns that an imported CSV file must have; all others may be absent."""
COPILOT_ARENA = ("model_a", "model_b", "acceptedIndex", "completion_a", "completion_b")
"""Columns of `data/copilot_arena_examples_v1.csv` in lmarena/copilot-arena. `acceptedIndex` is 0 for the upper answer,
that of `model_a`, and 1 for the lower one."""
COPILOT_ARENA_TASK = "copilot-arena"
NUMBERS = {"sample_id": int, "ms": int, "output_tokens": int, "total_s": float, "wait_s": float}
LARGEST_FIELD = 1 << 27
"""Most characters of a CSV field; Copilot Arena's rows contain whole files."""


class ImportCounts(NamedTuple):
    """How many votes an import added, found in the folder already, or could not use."""

    added: int
    known: int
    """Votes that were in the votes folder before."""
    unusable: int
    """Rows without a choice, or with the same model on both sides."""


def export_votes(store: VoteStore, out: Path) -> int:
    """Writes all votes as CSV to `out` and returns their number. Raises UserError if the file cannot be written."""
    votes = store.votes()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as file:
            for line in _csv_lines(votes):
                file.write(line.encode())
    except OSError as error:
        raise UserError(f"cannot write the votes to {out}: {error.strerror}; give another file with --out") from None
    return len(votes)


def import_votes(path: Path, store: VoteStore) -> ImportCounts:
    """Adds the votes of a CSV file to the votes folder, except votes whose id is in the folder already.

    Raises UserError, naming the line, for a file that is not a CSV of votes; then no vote is added.
    """
    votes, unusable = read_votes(path)
    added = 0
    for vote in votes:
        if vote.pair.id not in store:
            store.add_vote(vote)
            added += 1
    return ImportCounts(added, len(votes) - added, unusable)


def read_votes(path: Path) -> tuple[list[Vote], int]:
    """Returns the votes of a CSV file and its number of unusable rows. Raises UserError if it has no votes' columns."""
    csv.field_size_limit(LARGEST_FIELD)
    votes, unusable = [], 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            copilot = set(COPILOT_ARENA) <= set(columns)
            _check_columns(path, columns, copilot)
            for number, row in enumerate(reader, start=1):
                try:
                    vote = copilot_vote(row, number) if copilot else own_vote(row, number)
                except (ValueError, TypeError) as error:
                    raise UserError(f"votes file {path}, row {number}: {error}; fix or remove the row") from None
                if vote:
                    votes.append(vote)
                else:
                    unusable += 1
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(
            f"{path} cannot be read as CSV: {error}; give a file of `arena export`, or one of Copilot Arena's"
        ) from None
    return votes, unusable


def own_vote(row: Mapping[str, str | None], number: int) -> Vote | None:
    """Returns the vote in a row of a CSV file of `arena export`. Raises ValueError for an impossible value."""
    values = {key: _parse_csv_value(key, text) for key, text in row.items() if key and text}
    sides = {
        side: {name: values[f"{side}_{name}"] for name in SIDE_COLUMNS if f"{side}_{name}" in values}
        for side in ("first", "second")
    }
    plain = {key: value for key, value in values.items() if not key.startswith(("first_", "second_"))}
    defaults = {"task": "", "task_id": f"row {number}", "voter": "", "id": _row_id(row, number)}
    return vote_of({**defaults, **plain, **sides})


def copilot_vote(row: Mapping[str, str | None], number: int) -> Vote | None:
    """Returns the vote in a row of Copilot Arena's published CSV; None without a choice or with two equal models.

    Raises ValueError if `acceptedIndex` is neither 0 nor 1. The data do not identify the voters.
    """
    index, first, second = row["acceptedIndex"], row["model_a"], row["model_b"]
    if not index or not first or not second or first == second:
        return None
    if float(index) not in (0, 1):
        raise ValueError(f"the column acceptedIndex has {index!r}, not 0 or 1")
    pair = Pair(
        f"{COPILOT_ARENA_TASK}-{_row_id(row, number)}",
        COPILOT_ARENA_TASK,
        f"row {number}",
        Side(first),
        Side(second),
        voter="",
    )
    return Vote(pair, "second" if float(index) else "first")


def _check_columns(path: Path, columns: Sequence[str], copilot: bool) -> None:
    missing = [] if copilot else [name for name in REQUIRED if name not in columns]
    if missing:
        raise UserError(
            f"{path} has no column {', '.join(missing)}; give a file of `arena export`, or one of Copilot Arena's"
        )


def _csv_lines(votes: Sequence[Vote]) -> Iterator[str]:
    lines: list[str] = []

    class _LineList:
        def write(self, text: str) -> None:
            lines.append(text)

    writer = csv.DictWriter(_LineList(), COLUMNS)
    writer.writeheader()
    for vote in votes:
        row: dict[str, Any] = vote_row(vote)
        for side in ("first", "second"):
            row |= {f"{side}_{name}": _csv_value(value) for name, value in row.pop(side).items()}
        writer.writerow(row)
        yield from lines
        lines.clear()
    yield from lines


def _csv_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _parse_csv_value(column: str, text: str) -> Any:
    name = column.removeprefix("first_").removeprefix("second_")
    if name == "passed":
        if text.lower() not in ("true", "false"):
            raise ValueError(f"the column {column} has {text!r}, not true or false")
        return text.lower() == "true"
    try:
        return NUMBERS[name](text) if name in NUMBERS else text
    except ValueError:
        raise ValueError(f"the column {column} has {text!r}, not a number") from None


def _row_id(row: Mapping[str, str | None], number: int) -> str:
    """Returns a vote id from a CSV row, so that importing the same file again adds no duplicates."""
    content = json.dumps([number, sorted((key, value) for key, value in row.items() if key)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
