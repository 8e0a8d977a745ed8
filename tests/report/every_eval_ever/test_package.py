"""The package `every-eval-ever` itself accepts the records, without a warning.

Its requirements contradict those of this project, so uv runs it in a separate environment with Python 3.12 or newer.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "every-eval-ever==0.3.0"
UV = (sys.executable, "-m", "uv", "run", "--no-project", "--isolated", "--no-python-downloads", "--python", ">=3.12")


def package(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [*UV, "--with", PACKAGE, "python", "-m", "every_eval_ever", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_package_accepts_every_record(records: Path) -> None:
    found = package("--help")
    if found.returncode:
        pytest.skip(f"uv cannot run {PACKAGE}: {found.stderr.strip().splitlines()[-1:]}")
    done = package("validate", "--format", "json", str(records / "*/*/*/*.json*"))
    reports = json.loads(done.stdout)
    assert len(reports) == 8
    faults = [report for report in reports if not report["valid"] or report["warnings"]]
    assert not faults
    assert done.returncode == 0
