"""BigCodeBench: verdicts on real samples equal the official ones, apart from known deviations."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.adapters.bigcodebench import unsolvable
from evalharness.data.cards import find_task
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run

pytestmark = [pytest.mark.docker, pytest.mark.data, pytest.mark.slow]
WORKERS = 2


def verdicts(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["task_id"]: row for row in map(json.loads, (folder / "verdicts.jsonl").read_text().splitlines())}


def test_samples_of_a_model(datasets_dir: Path, tmp_path: Path) -> None:
    file = datasets_dir.parent / "parity" / "qwen2.5-coder-1.5b-base" / "bigcodebench.jsonl.gz"
    if not file.exists():
        pytest.skip(f"no official verdicts at {file}")
    options = {"samples": str(file)}
    run(RunConfig("bigcodebench", "replay", workers=WORKERS, data=str(datasets_dir), options=options), tmp_path)
    ours = verdicts(tmp_path)
    card, _ = find_task("bigcodebench")
    deviating = {task_id for deviation in card.deviations for task_id in deviation.tasks}
    with gzip.open(file, "rt") as lines:
        official = {row["task_id"]: row["official"]["passed"] for row in map(json.loads, lines)}
    different = {task_id for task_id, passed in official.items() if ours[task_id]["passed"] != passed}
    assert different <= deviating
    assert len(different) <= 0.01 * len(official)
    assert "tampered" not in {ours[task_id]["status"] for task_id, passed in official.items() if passed}


@pytest.mark.parametrize(("task", "problems"), [("bigcodebench", 1140), ("bigcodebench-hard", 148)])
def test_reference_solutions(task: str, problems: int, datasets_dir: Path, tmp_path: Path) -> None:
    summary = run(RunConfig(task, "reference", workers=WORKERS, data=str(datasets_dir)), tmp_path)
    assert summary["official_data"]
    assert summary["problems"] == problems
    failed = {task_id for task_id, row in verdicts(tmp_path).items() if not row["passed"]}
    assert failed <= set(unsolvable("bigcodebench"))
