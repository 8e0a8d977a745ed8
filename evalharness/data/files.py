"""Reads benchmark data from .jsonl, .jsonl.gz and .json files."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.errors import UserError

Record = dict[str, Any]
"""One item of a benchmark, as its data file has it."""


def read_records(path: Path) -> list[Record]:
    """Returns the records of a file in their order. Raises UserError for a missing, damaged or unsuitable file."""
    try:
        return _document(path) if path.suffix == ".json" else list(_lines(path))
    except FileNotFoundError as error:
        raise UserError(f"data file {path} is missing; put it there, or name another source with --data") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"data file {path} cannot be read ({error}); replace it") from error


def _lines(path: Path) -> Iterator[Record]:
    """Yields one record per non-blank line, without reading the whole file first."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _object(_parse(line.strip(), path, number), f"{path} line {number}")


def _document(path: Path) -> list[Record]:
    """Returns the records of a JSON list, or of an object that maps ids to records."""
    value = _parse(path.read_bytes(), path)
    if isinstance(value, dict):
        value = [{"task_id": key, **_object(entry, f"{path} entry {key!r}")} for key, entry in value.items()]
    if not isinstance(value, list):
        raise UserError(f"{path} has neither a list nor an object of records; replace it")
    return [_object(entry, f"{path} entry {number}") for number, entry in enumerate(value, start=1)]


def _parse(text: bytes, path: Path, first_line: int = 1) -> Any:
    """Returns the JSON value that starts at line `first_line` of the file."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, reason = first_line + error.lineno - 1, f"{error.msg}, column {error.colno}"
        raise UserError(f"{path} line {line} is not JSON ({reason}); replace the file") from error
    except (ValueError, RecursionError) as error:  # Not UTF-8, too long a number, or nested too deeply.
        raise UserError(f"{path} line {first_line} is not JSON ({error}); replace the file") from error


def _object(value: Any, position: str) -> Record:
    """Returns the value. Raises UserError, with its position in the file, if it is not an object."""
    if not isinstance(value, dict):
        raise UserError(f"{position} is not a JSON object; replace the file")
    return value
