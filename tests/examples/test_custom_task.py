import json
from pathlib import Path

import pytest
from helpers.example_packages import EXAMPLES, RunWithExample

pytestmark = pytest.mark.docker


def test_task_of_the_documentation_runs(run_with_example: RunWithExample, engine: None, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run_with_example("custom_task", "run", "--task", "string-tasks", "--data", "sample", "--out", out)
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["task"], summary["problems"]) == ("string-tasks-sample", 3)
    assert summary["metrics"]["pass@1"]["value"] == 1


def test_task_of_the_documentation_fails_a_wrong_sample(
    run_with_example: RunWithExample, engine: None, tmp_path: Path
) -> None:
    samples, out = tmp_path / "samples.jsonl", tmp_path / "run"
    samples.write_text(json.dumps({"task_id": "strings/1", "completion": "    return 5\n"}) + "\n")
    grade = ("grade", "--task", "string-tasks", "--data", "sample", "--samples", samples, "--out", out)
    assert run_with_example("custom_task", *grade).returncode == 0
    row = json.loads((out / "verdicts.jsonl").read_text())
    assert (row["task_id"], row["passed"], row["status"]) == ("strings/1", False, "failed")


def test_task_is_short() -> None:
    folder = EXAMPLES / "custom_task" / "string_tasks"
    texts = [(folder / name).read_text() for name in ("__init__.py", "cards/string-tasks.yaml")]
    assert sum(text.count("\n") for text in texts) < 60
