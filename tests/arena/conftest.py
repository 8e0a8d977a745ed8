"""Runs that the tests of the arena share."""

from pathlib import Path

import pytest
from helpers.arena_runs import write_runs


@pytest.fixture(scope="session")
def arena_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three runs on the sample of HumanEval."""
    return write_runs(tmp_path_factory.mktemp("arena") / "runs")
