"""Fixtures that several test files use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def datasets_dir() -> Path:
    """The folder of the real benchmark data; the test is skipped where there is none."""
    named = os.environ.get("EVALHARNESS_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "datasets"
    if not folder.is_dir():
        pytest.skip("the real benchmark data are not here; set EVALHARNESS_DATA")
    return folder
