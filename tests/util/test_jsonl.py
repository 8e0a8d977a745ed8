"""JSON lines are read with the number of each line, and a fault names its line."""

import io
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.util.jsonl import parse_json_lines, read_complete_lines


def test_blank_lines_are_skipped_and_lines_keep_their_numbers() -> None:
    lines = io.BytesIO(b'{"a": 1}\n\n[2]\n3')
    assert list(parse_json_lines(Path("x"), lines)) == [(1, {"a": 1}), (3, [2]), (4, 3)]


def test_a_line_that_is_not_json_is_named() -> None:
    with pytest.raises(UserError, match=r"^x, line 2: not JSON \(.*column 1\); fix or remove the line$"):
        list(parse_json_lines(Path("x"), io.BytesIO(b"1\nno\n")))


def test_a_line_without_its_end_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    assert list(read_complete_lines(path)) == []
    path.write_bytes(b"1\n2")
    assert list(read_complete_lines(path)) == [(1, b"1\n")]
