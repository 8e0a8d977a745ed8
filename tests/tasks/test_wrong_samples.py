"""In the real sandbox, bundled reference solutions pass and every wrong sample has its expected status."""

import json
from pathlib import Path

import pytest

from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run
from evalharness.util.paths import bundled_folder

pytestmark = pytest.mark.docker
FIM = ("fim-single-line", "fim-multi-line", "fim-random-span", "fim-random-span-light")
SANTACODER = ("santacoder-fim-py", "santacoder-fim-js", "santacoder-fim-java")
PYTHON = ("humaneval", "mbpp", "humaneval-plus", "mbpp-plus")
MULTIPL_E = tuple(f"multipl-e-{language}" for language in ("cpp", "java", "js", "php", "sh", "ts"))
SLOW = tuple(pytest.param(task, marks=pytest.mark.slow) for task in MULTIPL_E)
"""tests/parity/test_multipl_e_planted.py has programs of each language that are quick."""
TASKS = (*PYTHON, *FIM, *SANTACODER, *SLOW, "livecodebench", "bigcodebench")


@pytest.mark.parametrize("task", TASKS)
def test_references_pass(task: str, tmp_path: Path) -> None:
    summary = run(RunConfig(task, "reference", data="sample"), tmp_path)
    assert summary["task"] == f"{task}-sample"
    assert summary["problems"] >= (12 if task in PYTHON else 6)
    assert summary["statuses"] == {"passed": summary["problems"]}


@pytest.mark.parametrize("task", [*PYTHON, *SLOW])
def test_wrong_samples_fail(task: str, tmp_path: Path) -> None:
    file = bundled_folder("tasks") / "samples" / "wrong" / f"{task}.jsonl"
    planted = {
        (str(row["task_id"]), row["sample_id"]): row for row in map(json.loads, file.read_text().split("\n")[:-1])
    }
    options = {"samples": str(file)} | ({"split": "all"} if task == "mbpp" else {})
    run(RunConfig(task, "replay", data="sample", options=options), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    statuses = {(row["task_id"], row["sample_id"]): row["status"] for row in rows}
    assert statuses == {key: row["expect"] for key, row in planted.items()}
    if task.endswith("-plus"):
        base = {(row["task_id"], row["sample_id"]): row["base_passed"] for row in rows}
        assert base == {key: row["base_passed"] for key, row in planted.items()}
