import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.example_packages import EXAMPLES

REPOSITORY = EXAMPLES.parent


@pytest.mark.docker
@pytest.mark.slow
def test_language_of_the_documentation_passes_right_and_fails_wrong_programs(engine: None, tmp_path: Path) -> None:
    for name in ("evalharness", "tasks", "sandboxes"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(EXAMPLES / "custom_language" / "awk", tmp_path / "sandboxes" / "awk")
    code = "from evalharness.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "sandbox", "check", "awk"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AWK: right passes, wrong fails" in done.stdout
