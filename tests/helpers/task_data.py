"""Tasks whose data a test writes."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evalharness.adapters import open_task
from evalharness.data.cards import find_task
from evalharness.data.versions import find_version
from evalharness.records import Problem, Task

OpenTask = Callable[..., tuple[Task, dict[str, Problem]]]
"""`open_with(name, records, **options)`: a task with these records as its data, and its problems by id."""


def open_with_records(
    folder: Path, name: str, records: Sequence[dict[str, Any]], options: dict[str, str]
) -> tuple[Task, dict[str, Problem]]:
    """Writes the records as the task's data into the folder; returns the task and its problems by id."""
    _, entry = find_task(name)
    path = folder / find_version(entry, options.get("version"), options.get("split")).file[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{json.dumps(record)}\n" for record in records).encode()
    document = json.dumps(records).encode() if path.suffix == ".json" else lines
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else document)
    task, _ = open_task(name, folder, options)
    return task, {problem.task_id: problem for problem in task.problems()}
