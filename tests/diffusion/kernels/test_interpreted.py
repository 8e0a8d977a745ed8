"""Runs every kernel in Triton's interpreter and compares it with its PyTorch reference; one process per file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not available on this system")

FILES = sorted((Path(__file__).parent / "interpreted").glob("test_*.py"))
SLOW = (
    "test_engine", "test_speculation", "test_gpu_check", "test_bidirectional", "test_commit", "test_head",
    "test_sampling",
)  # fmt: skip
"""Files that take more than ten seconds. Each kernel of the first three, whole decoding, has its own file."""


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=[pytest.mark.slow] if file.stem in SLOW else [], id=file.stem) for file in FILES],
)
def test_interpreted_kernels_agree_with_their_references(file: Path) -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert finished.returncode == 0, finished.stdout + finished.stderr
