"""Reads files of JSON lines: one JSON value per line."""

import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evalharness.errors import UserError

LineNumber = int
"""The number of a line in its file, from 1."""


def read_complete_lines(path: Path) -> Iterator[tuple[LineNumber, bytes]]:
    """Yields (line number from 1, line) for each complete line of a file; nothing if the file does not exist.

    Skips a last line without line break, which a process is still writing or was killed while writing.
    """
    if path.exists():
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield number, line


def parse_json_lines(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[LineNumber, Any]]:
    """Yields (line number from 1, JSON value) for each line that is not blank.

    `lines` are all lines of the file `path`, whose name is for messages only. Raises UserError that names the
    line if it is not JSON, or if the file cannot be read.
    """
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, parse_json_line(path, number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}; check that the file is complete and readable") from None


def parse_json_line(path: Path, line_number: LineNumber, line: bytes) -> Any:
    """Returns the JSON value of one line. Raises UserError that names file and line if it is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{path}, line {line_number}: not JSON ({reason}); fix or remove the line") from None
