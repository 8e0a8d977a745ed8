"""Test completions have the verdict of the official infilling grader."""

import gzip
import importlib.util
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.fim_planted_cases import COMMIT, PROBLEMS, QUICK, SLOW

from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run

CHECKOUT = "HUMAN_EVAL_INFILLING"
"""The environment variable with a checkout of openai/human-eval-infilling, to run the official grader again."""
DISABLED = "#                     exec(check_program, exec_globals)"
ENABLED = "                    exec(check_program, exec_globals)"


def grade(cases: dict[str, tuple[str, str, bool]], folder: Path) -> dict[str, dict[str, Any]]:
    """Returns our verdict row of each case, through a data folder and a samples file."""
    data = folder / "data" / "humaneval_infilling" / "HumanEval-SingleLineInfilling.jsonl.gz"
    data.parent.mkdir(parents=True)
    data.write_bytes(gzip.compress("".join(f"{json.dumps(problem)}\n" for problem in PROBLEMS.values()).encode()))
    names = list(cases)
    rows = [
        {"task_id": f"Planted/{problem}", "sample_id": number, "completion": text}
        for number, (problem, text, _) in enumerate(cases.values())
    ]
    samples = folder / "samples.jsonl"
    samples.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    config = RunConfig("fim-single-line", "replay", data=str(folder / "data"), options={"samples": str(samples)})
    run(config, folder / "run")
    lines = (folder / "run" / "verdicts.jsonl").read_text().splitlines()
    return {names[row["sample_id"]]: row for row in map(json.loads, lines)}


@pytest.mark.docker
@pytest.mark.parametrize("cases", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["quick", "slow"])
def test_verdicts_are_official(cases: dict[str, tuple[str, str, bool]], engine: None, tmp_path: Path) -> None:
    verdicts = grade(cases, tmp_path)
    assert verdicts.keys() == cases.keys()
    different = {
        name: (verdicts[name]["status"], verdicts[name].get("detail"), passed)
        for name, (_, _, passed) in cases.items()
        if verdicts[name]["passed"] != passed
    }
    assert different == {}
    assert "infrastructure" not in {row["status"] for row in verdicts.values()}


@pytest.mark.slow
@pytest.mark.skipif(CHECKOUT not in os.environ, reason=f"${CHECKOUT} is not a checkout of the official grader")
def test_recorded_verdicts_equal_the_official_ones(tmp_path: Path) -> None:
    """At commit COMMIT. There, the line that runs the program is commented out; this test enables it."""
    checkout = Path(os.environ[CHECKOUT])
    text = (checkout / "human_eval_infilling" / "execution.py").read_text()
    assert DISABLED in text, COMMIT
    (tmp_path / "official.py").write_text(text.replace(DISABLED, ENABLED))
    spec = importlib.util.spec_from_file_location("official", tmp_path / "official.py")
    assert spec
    assert spec.loader
    official = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(official)
    cases = {**QUICK, **SLOW}
    # In a thread, like the official pool: the forked process inherits the stack, which programs can fill.
    with ThreadPoolExecutor(1) as thread:
        passed_officially = {
            name: thread.submit(official.check_correctness, PROBLEMS[problem], completion, 3.0).result()["passed"]
            for name, (problem, completion, _) in cases.items()
        }
    assert passed_officially == {name: passed for name, (_, _, passed) in cases.items()}
