"""Reads the files in which benchmark data comes: .jsonl, .jsonl.gz and .json."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.errors import UserError

Record = dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """The records of a file, in its order. Raises UserError for one that is missing, damaged or of another form."""
    try:
        return _document(path) if path.suffix == ".json" else list(_lines(path))
    except FileNotFoundError as error:
        raise UserError(f"data file {path} is missing; put it there, or name another source with --data") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"data file {path} cannot be read ({error}); replace it") from error


def _lines(path: Path) -> Iterator[Record]:
    """One record per line that is not blank, read as a stream."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _object(_parse(line.strip(), path, number), f"{path} line {number}")


def _document(path: Path) -> list[Record]:
    """A list of records, or one object that maps ids to records."""
    value = _parse(path.read_bytes(), path)
    if isinstance(value, dict):
        value = [{"task_id": key, **_object(each, f"{path} entry {key!r}")} for key, each in value.items()]
    if not isinstance(value, list):
        raise UserError(f"{path} holds neither a list nor an object of records; replace it")
    return [_object(each, f"{path} entry {number}") for number, each in enumerate(value, start=1)]


def _parse(text: bytes, path: Path, first_line: int = 1) -> Any:
    """The JSON value that begins at a line of a file."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, said = first_line + error.lineno - 1, f"{error.msg}, column {error.colno}"
        raise UserError(f"{path} line {line} is not JSON ({said}); replace the file") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number too long to read, or nested without end
        raise UserError(f"{path} line {first_line} is not JSON ({error}); replace the file") from error


def _object(value: Any, place: str) -> Record:
    if not isinstance(value, dict):
        raise UserError(f"{place} is not a JSON object; replace the file")
    return value
