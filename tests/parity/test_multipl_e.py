"""MultiPL-E: verdicts on a model's real samples equal the official ones and depend on the function's body."""

import json
from pathlib import Path

import pytest
from helpers.parity_runs import Row, deviating_problems, read_rows, recorded_samples, verdict_rows

from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run

pytestmark = [pytest.mark.docker, pytest.mark.data, pytest.mark.slow]

LANGUAGES = ("cpp", "java", "js", "php", "sh", "ts")
MAY_DIFFER = {"php": 1, "ts": 2}
"""How many verdicts may differ, because of a known deviation of the task card that names the problem."""
CLOSED_BY_TESTS = {"cpp", "java", "sh"}
"""The languages whose tests begin with the function's closing brace."""


def samples(language: str, datasets_dir: Path) -> Path:
    return recorded_samples(datasets_dir, f"qwen2.5-coder-1.5b-base/multipl-e-{language}.2023-06.jsonl.gz")


def grade(language: str, file: Path, out: Path, datasets_dir: Path) -> dict[str, Row]:
    options = {"version": "2023-06", "samples": str(file)}
    run(RunConfig(f"multipl-e-{language}", "replay", data=str(datasets_dir), options=options), out)
    return verdict_rows(out)


@pytest.mark.parametrize("language", LANGUAGES)
def test_verdicts_equal_the_official_ones(language: str, datasets_dir: Path, tmp_path: Path) -> None:
    file = samples(language, datasets_dir)
    verdicts = grade(language, file, tmp_path, datasets_dir)
    official = {row["task_id"]: row["official"]["passed"] for row in read_rows(file)}
    different = {task_id for task_id, passed in official.items() if verdicts[task_id]["passed"] != passed}
    assert different <= deviating_problems(f"multipl-e-{language}")
    assert len(different) <= MAY_DIFFER.get(language, 0)
    assert not {"tampered", "infrastructure"} & {row["status"] for row in verdicts.values()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sample_passes_without_its_function_body(language: str, datasets_dir: Path, tmp_path: Path) -> None:
    emptied = []
    for row in read_rows(samples(language, datasets_dir)):
        if row["official"]["passed"]:
            before, completion, after = row["program"].partition(row["completion"])
            assert completion
            program = before + ("" if language in CLOSED_BY_TESTS else "}\n") + after
            emptied.append({"task_id": row["task_id"], "program": program})
    assert len(emptied) >= 30
    file = tmp_path / "emptied.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in emptied))
    verdicts = grade(language, file, tmp_path / "run", datasets_dir)
    assert len(verdicts) == len(emptied)
    assert not [task_id for task_id, row in verdicts.items() if row["passed"]]
