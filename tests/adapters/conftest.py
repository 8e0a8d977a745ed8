"""Tasks over data that a test writes."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalharness.adapters import open_task
from evalharness.data.cards import find_task
from evalharness.data.versions import find_version
from evalharness.records import Problem, Task

Open = Callable[..., tuple[Task, dict[str, Problem]]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Opens a task by name, with these records as its data and these options, and gives its problems by id."""

    def open_it(name: str, records: Sequence[dict[str, Any]], **options: str) -> tuple[Task, dict[str, Problem]]:
        _, entry = find_task(name)
        version = find_version(entry, options.get("version"), options.get("split"))
        path = tmp_path / version.file[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{json.dumps(record)}\n" for record in records).encode()
        as_json = json.dumps(records).encode() if path.suffix == ".json" else lines
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else as_json)
        task, _ = open_task(name, tmp_path, options)
        return task, {problem.task_id: problem for problem in task.problems()}

    return open_it
