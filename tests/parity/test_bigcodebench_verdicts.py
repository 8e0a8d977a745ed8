"""BigCodeBench: verdicts on real samples equal the official ones, apart from known deviations."""

from pathlib import Path

import pytest
from helpers.parity_runs import deviating_problems, read_rows, recorded_samples, verdict_rows

from evalharness.adapters.bigcodebench import reference_failures_by_task_id
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run

pytestmark = [pytest.mark.docker, pytest.mark.data, pytest.mark.slow]
WORKERS = 2
VERSION = "v0.1.0_hf"
"""That of the recorded verdicts."""


def test_samples_of_a_model(datasets_dir: Path, tmp_path: Path) -> None:
    file = recorded_samples(datasets_dir, "qwen2.5-coder-1.5b-base/bigcodebench.jsonl.gz")
    options = {"samples": str(file), "version": VERSION}
    run(RunConfig("bigcodebench", "replay", workers=WORKERS, data=str(datasets_dir), options=options), tmp_path)
    verdicts = verdict_rows(tmp_path)
    official = {row["task_id"]: row["official"]["passed"] for row in read_rows(file)}
    different = {task_id for task_id, passed in official.items() if verdicts[task_id]["passed"] != passed}
    assert different <= deviating_problems("bigcodebench")
    assert len(different) <= 0.01 * len(official)
    assert "tampered" not in {verdicts[task_id]["status"] for task_id, passed in official.items() if passed}


@pytest.mark.parametrize(("task", "problems"), [("bigcodebench", 1140), ("bigcodebench-hard", 148)])
def test_reference_solutions(task: str, problems: int, datasets_dir: Path, tmp_path: Path) -> None:
    summary = run(
        RunConfig(task, "reference", workers=WORKERS, data=str(datasets_dir), options={"version": VERSION}), tmp_path
    )
    assert summary["official_data"]
    assert summary["problems"] == problems
    failed = {task_id for task_id, row in verdict_rows(tmp_path).items() if not row["passed"]}
    assert failed <= set(reference_failures_by_task_id("bigcodebench"))
