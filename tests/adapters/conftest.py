"""Fixtures of the adapters' tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.task_data import OpenTask, open_with_records

from evalharness.records import Problem, Task


@pytest.fixture
def open_with(tmp_path: Path) -> OpenTask:
    """A function that opens a task by name, with the given records as its data and the given options."""

    def open_with(name: str, records: Sequence[dict[str, Any]], **options: str) -> tuple[Task, dict[str, Problem]]:
        return open_with_records(tmp_path, name, records, options)

    return open_with
