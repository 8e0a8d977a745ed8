"""Rows that no run writes are refused with their line, so that no wrong number is counted from them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from evalharness.data.run_files import read_completions, read_verdicts
from evalharness.errors import UserError
from evalharness.records import STATUSES, Completion, DecodingTrace

GOOD = {"task_id": "a", "sample_id": 0, "passed": True, "status": "passed", "cpu_s": 1, "detail": ""}


def write(folder: Path, *rows: dict[str, Any], name: str = "verdicts") -> None:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_read(status: str, tmp_path: Path) -> None:
    write(tmp_path, {**GOOD, "status": status, "passed": status == "passed", "unknown_field": [1]})
    assert [row.status for row in read_verdicts(tmp_path)] == [status]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "solved"}, "the field status is 'solved', but must be 'passed', 'failed'"),
        ({"status": ["passed"]}, "the field status is"),
        ({"passed": False}, "the field status is passed, but passed is false"),
        ({"status": "failed"}, "the field status is failed, but passed is true"),
        ({"passed": 1}, "the field passed is 1, but must be true or false"),
        ({"passed": "false"}, "the field passed is 'false'"),
        ({"base_passed": False}, "the field passed is true, but base_passed is false"),
        ({"base_passed": "no"}, "the field base_passed is 'no', but must be true or false or null"),
        ({"sample_id": -1}, "the field sample_id is -1"),
        ({"sample_id": "0"}, "the field sample_id is '0'"),
        ({"sample_id": True}, "the field sample_id is True"),
        ({"sample_id": 0.5}, "the field sample_id is 0.5"),
        ({"task_id": ""}, "the field task_id is empty"),
        ({"cpu_s": float("nan")}, "the field cpu_s is nan, but must be a finite number"),
        ({"wall_s": float("inf")}, "the field wall_s is inf"),
        ({"cpu_s": -1.0}, "the field cpu_s is -1.0"),
        ({"detail": None}, "the field detail is None, but must be a string"),
        ({"task_id": 3}, "is damaged"),
        ({"task_id": None}, "is damaged"),
    ],
)
def test_a_row_that_no_run_writes_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path, {**GOOD, "task_id": "other"}, {**GOOD, **changes})
    with pytest.raises(UserError, match="line 2") as error:
        list(read_verdicts(tmp_path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", ["[]", "7", "null", '"a"', "{", '{"task_id": "a"}', "[" * 100_000])
def test_a_line_that_is_no_row_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match="line 1 is damaged"):
        list(read_verdicts(tmp_path))


def test_a_second_row_of_a_sample_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD, {**GOOD, "sample_id": 1}, GOOD)
    with pytest.raises(UserError, match="line 3: sample 0 of a has a second line; remove one of the two lines"):
        list(read_verdicts(tmp_path))


def test_completions_are_checked_too(tmp_path: Path) -> None:
    good = Completion("a", 0, "x", trace=DecodingTrace(("x",), (0,), (0,)), output_tokens=1, total_s=2.0)
    write(tmp_path, json.loads(json.dumps(asdict(good))), name="completions")
    assert list(read_completions(tmp_path)) == [good]
    for changes in ({"text": 3}, {"form": "essay"}, {"output_tokens": "9"}, {"total_s": float("nan")}):
        write(tmp_path, {"task_id": "a", "sample_id": 0, "text": "", **changes}, name="completions")
        with pytest.raises(UserError, match=r"line 1 is not a valid (verdict|completion): the field"):
            list(read_completions(tmp_path))
