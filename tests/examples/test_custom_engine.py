import json
import shutil
from pathlib import Path

import pytest
from helpers.example_packages import RunWithExample

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker command"),
]


def test_engine_of_the_documentation_judges(run_with_example: RunWithExample, engine: None, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = ("run", "--task", "humaneval", "--data", "sample", "--backend", "reference", "--limit", 4)
    done = run_with_example("custom_engine", *run, "--sandbox", "command-line", "--workers", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "summary.json").read_text())["metrics"]["pass@1"]["value"] == 1


@pytest.mark.slow
def test_engine_of_the_documentation_gives_all_guarantees(run_with_example: RunWithExample, engine: None) -> None:
    done = run_with_example("custom_engine", "sandbox", "check", "python", "--sandbox", "command-line")
    assert done.returncode == 0, done.stdout
