"""Import and export of arena votes as CSV, including the votes that Copilot Arena published."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalharness.arena.records import AnswerPair, AnswerRecord, Vote
from evalharness.arena.rows import parse_vote, vote_to_json
from evalharness.arena.store import VoteStore
from evalharness.errors import UserError
from evalharness.util.files import open_for_atomic_write

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
"""Maximum number of characters of a CSV field; Copilot Arena's rows contain whole source files."""


class CsvVotes(NamedTuple):
    """The votes that a CSV file contains, and the number of its rows without a usable vote."""

    votes: list[Vote]
    unusable_rows: int
    """Rows without a choice, or with the same model on both sides."""


class ImportCounts(NamedTuple):
    """Counts of a CSV import: votes added, votes that were stored before, and rows without a usable vote."""

    added: int
    duplicates: int
    """Votes that were in the votes folder before the import."""
    unusable: int
    """Rows without a choice, or with the same model on both sides."""


def export_votes(store: VoteStore, csv_path: Path) -> int:
    """Writes all votes of `store` to a CSV file; returns their number. Raises UserError if that fails."""
    votes = store.votes()
    try:
        csv_path.parent.mkdir(parents=True, exist_ok=True)
        with open_for_atomic_write(csv_path) as file:
            for line in _csv_lines(votes):
                file.write(line.encode())
    except OSError as error:
        raise UserError(
            f"cannot write the votes to {csv_path}: {error.strerror}; give another file with --out"
        ) from None
    return len(votes)


def import_votes(csv_path: Path, store: VoteStore) -> ImportCounts:
    """Adds the votes of a CSV file to `store`, except votes on pairs that already have a vote there.

    Raises UserError if the file is not a CSV file of votes or has an invalid row; then no vote is added.
    """
    votes, unusable = read_votes(csv_path)
    added = 0
    for vote in votes:
        if vote.pair.id not in store:
            store.add_vote(vote)
            added += 1
    return ImportCounts(added, len(votes) - added, unusable)


def read_votes(csv_path: Path) -> CsvVotes:
    """Returns the votes of a CSV file and the number of its rows without a usable vote.

    Raises UserError if the file is not CSV, lacks a required column, or has an invalid value.
    """
    csv.field_size_limit(LARGEST_FIELD)
    votes, unusable = [], 0
    try:
        with csv_path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            copilot = set(COPILOT_ARENA) <= set(columns)
            _check_required_columns(csv_path, columns, copilot)
            for number, row in enumerate(reader, start=1):
                try:
                    vote = parse_copilot_arena_row(row, number) if copilot else parse_exported_row(row, number)
                except (ValueError, TypeError) as error:
                    raise UserError(
                        f"the votes file {csv_path} has an invalid row {number}: {error}; fix or remove the row"
                    ) from None
                if vote:
                    votes.append(vote)
                else:
                    unusable += 1
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(
            f"the votes file {csv_path} cannot be read as CSV: {error}; give a CSV file that `evalharness arena "
            "export` wrote, or the votes that Copilot Arena published"
        ) from None
    return CsvVotes(votes, unusable)


def parse_exported_row(row: Mapping[str, str | None], row_number: int) -> Vote:
    """Returns the vote in a CSV row that `arena export` wrote. Raises ValueError for an invalid value.

    `row_number` counts from 1. If the row has no id, the id is computed from its number and content.
    """
    values = {key: _parse_csv_cell(key, text) for key, text in row.items() if key and text}
    sides = {
        side: {name: values[f"{side}_{name}"] for name in SIDE_COLUMNS if f"{side}_{name}" in values}
        for side in ("first", "second")
    }
    plain = {key: value for key, value in values.items() if not key.startswith(("first_", "second_"))}
    defaults = {"task": "", "task_id": f"row {row_number}", "voter": "", "id": _make_vote_id(row, row_number)}
    return parse_vote({**defaults, **plain, **sides})


def parse_copilot_arena_row(row: Mapping[str, str | None], row_number: int) -> Vote | None:
    """Returns the vote in a row of Copilot Arena's published CSV file, which does not name the voters.

    `row_number` counts from 1; the vote's id is computed from it and the row's content. Returns None if the row has no
    choice or compares a model with itself. Raises ValueError if `acceptedIndex` is neither 0 nor 1.
    """
    index, first, second = row["acceptedIndex"], row["model_a"], row["model_b"]
    if not index or not first or not second or first == second:
        return None
    if float(index) not in (0, 1):
        raise ValueError(f"column acceptedIndex is {index!r}, but must be 0 or 1")
    pair = AnswerPair(
        f"{COPILOT_ARENA_TASK}-{_make_vote_id(row, row_number)}",
        COPILOT_ARENA_TASK,
        f"row {row_number}",
        AnswerRecord(first),
        AnswerRecord(second),
        voter="",
    )
    return Vote(pair, "second" if float(index) else "first")


def _check_required_columns(csv_path: Path, columns: Sequence[str], is_copilot_arena: bool) -> None:
    missing = [] if is_copilot_arena else [name for name in REQUIRED if name not in columns]
    if missing:
        raise UserError(
            f"the votes file {csv_path} has no column {', '.join(missing)}; give a CSV file that `evalharness arena "
            "export` wrote, or the votes that Copilot Arena published"
        )


def _csv_lines(votes: Sequence[Vote]) -> Iterator[str]:
    """Yields the lines of a CSV file of votes: the header, then one row per vote."""
    lines: list[str] = []

    class _LineCollector:
        """A writable object for `csv.DictWriter`; appends each line that it receives to the list `lines`."""

        def write(self, text: str) -> None:
            lines.append(text)

    writer = csv.DictWriter(_LineCollector(), COLUMNS)
    writer.writeheader()
    for vote in votes:
        row: dict[str, Any] = vote_to_json(vote)
        for side in ("first", "second"):
            row |= {f"{side}_{name}": _format_csv_cell(value) for name, value in row.pop(side).items()}
        writer.writerow(row)
        yield from lines
        lines.clear()
    yield from lines


def _format_csv_cell(value: str | float | None) -> str:
    text = "" if value is None else str(value)
    return text.lower() if isinstance(value, bool) else text


def _parse_csv_cell(column: str, text: str) -> Any:
    """Returns a CSV cell's text as its column's type (bool, int, float or str). Raises ValueError if it is invalid."""
    name = column.removeprefix("first_").removeprefix("second_")
    if name == "passed":
        if text.lower() not in ("true", "false"):
            raise ValueError(f"column {column} is {text!r}, but must be true or false")
        return text.lower() == "true"
    try:
        return NUMBERS[name](text) if name in NUMBERS else text
    except ValueError:
        raise ValueError(f"column {column} is {text!r}, but must be a number") from None


def _make_vote_id(row: Mapping[str, str | None], row_number: int) -> str:
    """Returns a vote id computed from a CSV row alone, so that a second import of the file adds no duplicates."""
    content = json.dumps([row_number, sorted((key, value) for key, value in row.items() if key)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
