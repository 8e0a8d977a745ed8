"""Real problems: official passes pass on the public tests, and three problems with all tests have correct verdicts."""

import json
from pathlib import Path

import pytest
from helpers.parity_runs import read_rows, recorded_samples, verdict_rows

from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run

pytestmark = [pytest.mark.docker, pytest.mark.data]
WORKERS = 2

SOLUTIONS = {
    "1873_A": "for _ in range(int(input())):\n    s = input()\n"
    "    print('YES' if sum(a != b for a, b in zip(s, 'abc')) < 3 else 'NO')\n",
    "2727": "class Solution:\n    def countSeniors(self, details: List[str]) -> int:\n"
    "        return sum(int(each[11:13]) > 60 for each in details)\n",
    "abc301_a": "n = int(input())\ns = input()\nt, a = s.count('T'), s.count('A')\n"
    "print('T' if t > a or t == a and s[-1] == 'A' else 'A')\n",
}
WRONG = {
    "1873_A": "for _ in range(int(input())):\n    print('YES' if input()[1] == 'b' else 'NO')\n",
    "2727": "class Solution:\n    def countSeniors(self, details: List[str]) -> int:\n"
    "        return sum(int(each[11:13]) >= 60 for each in details)\n",
    "abc301_a": "n = int(input())\ns = input()\nprint('T' if s.count('T') >= s.count('A') else 'A')\n",
}
"""Programs that pass the public tests, or nearly all, and fail a private one."""


@pytest.mark.parametrize(("solutions", "passes"), [(SOLUTIONS, True), (WRONG, False)], ids=["right", "wrong"])
def test_three_problems_with_all_tests(
    solutions: dict[str, str], passes: bool, datasets_dir: Path, tmp_path: Path
) -> None:
    samples = tmp_path / "samples.jsonl"
    lines = [json.dumps({"task_id": task_id, "solution": source}) for task_id, source in solutions.items()]
    samples.write_text("\n".join(lines) + "\n")
    options = {"version": "three", "samples": str(samples)}
    config = RunConfig("livecodebench", "replay", workers=WORKERS, data=str(datasets_dir), options=options)
    summary = run(config, tmp_path / "run")
    assert summary["official_data"]
    assert summary["statuses"] == {"passed" if passes else "failed": 3}


def test_programs_may_import_the_libraries_of_the_lock_file(datasets_dir: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.jsonl"
    imports = "import networkx, numba, numpy, pandas, scipy.optimize, sympy\n"
    samples.write_text(json.dumps({"task_id": "1873_A", "solution": imports + SOLUTIONS["1873_A"]}) + "\n")
    options = {"version": "three", "samples": str(samples)}
    config = RunConfig("livecodebench", "replay", workers=WORKERS, data=str(datasets_dir), options=options)
    assert run(config, tmp_path / "run")["statuses"] == {"passed": 1}


@pytest.mark.slow
def test_official_passes_of_a_model_pass(datasets_dir: Path, tmp_path: Path) -> None:
    file = recorded_samples(datasets_dir, "o1-preview/livecodebench.jsonl.gz")
    options = {"version": "public", "samples": str(file)}
    run(RunConfig("livecodebench", "replay", workers=WORKERS, data=str(datasets_dir), options=options), tmp_path)
    verdicts = verdict_rows(tmp_path)
    official = [row["task_id"] for row in read_rows(file) if row["official"]["passed"]]
    assert len(official) == 489
    assert [task_id for task_id in official if not verdicts[task_id]["passed"]] == []
