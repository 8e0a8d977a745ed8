import functools
from pathlib import Path

import pytest
from helpers.example_packages import RunWithExample, run_with


@pytest.fixture
def run_with_example(tmp_path: Path) -> RunWithExample:
    return functools.partial(run_with, tmp_path / "site")
