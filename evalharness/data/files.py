"""Reads benchmark data from .jsonl, .jsonl.gz and .json files."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.errors import UserError
from evalharness.util.jsonl import parse_json_lines
from evalharness.util.limits.files import open_decompressed

Record = dict[str, Any]
"""One item of a benchmark, as its data file has it."""


def read_records(path: Path) -> list[Record]:
    """Returns the records of a benchmark's data file, in its order. Raises UserError for a missing or damaged file."""
    try:
        return _read_json_file(path) if path.suffix == ".json" else list(_read_json_lines(path))
    except FileNotFoundError:
        raise UserError(f"data file {path} is missing; put it there, or give another source with --data") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"data file {path} cannot be read ({error}); replace the file") from None


def _read_json_lines(path: Path) -> Iterator[Record]:
    """Yields the record in each line of a .jsonl data file, while it reads the file; skips blank lines."""
    with open_decompressed(path) as file:
        for number, value in parse_json_lines(path, file):
            yield _check_is_json_object(value, f"{path}, line {number}")


def _read_json_file(path: Path) -> list[Record]:
    """Returns the records of a .json data file: a list, or an object that maps ids to records."""
    try:
        with open_decompressed(path) as file:
            value = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        reason = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{path}: not JSON ({reason}); replace the file") from None
    if isinstance(value, dict):
        value = [
            {"task_id": key, **_check_is_json_object(entry, f"{path}, entry {key!r}")} for key, entry in value.items()
        ]
    if not isinstance(value, list):
        raise UserError(
            f"{path}: neither a JSON list of records nor an object that maps ids to records; replace the file"
        )
    return [_check_is_json_object(entry, f"{path}, entry {number}") for number, entry in enumerate(value, start=1)]


def _check_is_json_object(record: Any, record_position: str) -> Record:
    """Returns a record unchanged. Raises UserError if it is not a JSON object; `record_position` says where it is."""
    if not isinstance(record, dict):
        raise UserError(f"{record_position}: the record is not a JSON object; correct it, or download the file again")
    return record
