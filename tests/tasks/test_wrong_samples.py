"""In the real sandbox, the bundled reference solutions pass and every planted wrong one fails as it says."""

import json
from pathlib import Path

import pytest

from evalharness.paths import bundled
from evalharness.run import RunConfig, run

pytestmark = pytest.mark.docker
TASKS = ("humaneval", "mbpp", "humaneval-plus", "mbpp-plus", "bigcodebench")


@pytest.mark.parametrize("task", TASKS)
def test_references_pass(task: str, tmp_path: Path) -> None:
    summary = run(RunConfig(task, "reference", data="sample"), tmp_path)
    assert summary["task"] == f"{task}-sample"
    assert summary["problems"] >= 12
    assert summary["statuses"] == {"passed": summary["problems"]}


@pytest.mark.parametrize("task", TASKS)
def test_wrong_samples_fail(task: str, tmp_path: Path) -> None:
    file = bundled("tasks") / "samples" / "wrong" / f"{task}.jsonl"
    planted = {
        (str(row["task_id"]), row["sample_id"]): row for row in map(json.loads, file.read_text().split("\n")[:-1])
    }
    options = {"samples": str(file)} | ({"split": "all"} if task == "mbpp" else {})
    run(RunConfig(task, "replay", data="sample", options=options), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    found = {(row["task_id"], row["sample_id"]): row["status"] for row in rows}
    assert found == {key: row["expect"] for key, row in planted.items()}
    if task.endswith("-plus"):
        base = {(row["task_id"], row["sample_id"]): row["base_passed"] for row in rows}
        assert base == {key: row["base_passed"] for key, row in planted.items()}
