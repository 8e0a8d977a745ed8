"""Runs over real samples whose official verdicts are known, and the task cards' known deviations."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.data.cards import find_task

Row = dict[str, Any]


def recorded_samples(datasets_dir: Path, name: str) -> Path:
    """Returns a file of real samples with their official verdicts. Skips the test if it does not exist."""
    file = datasets_dir.parent / "parity" / name
    if not file.exists():
        pytest.skip(f"no official verdicts at {file}")
    return file


def read_rows(file: Path) -> list[Row]:
    """Returns the rows of a compressed samples file. Their key `official` has the official verdict."""
    with gzip.open(file, "rt") as lines:
        return [json.loads(line) for line in lines]


def verdict_rows(run_folder: Path) -> dict[str, Row]:
    """Returns a run's verdict rows by problem, for runs with one sample per problem."""
    lines = (run_folder / "verdicts.jsonl").read_text().splitlines()
    return {row["task_id"]: row for row in map(json.loads, lines)}


def deviating_problems(task: str) -> set[str]:
    """Returns the problems that the known deviations of the task's card name."""
    card, _ = find_task(task)
    return {task_id for deviation in card.deviations for task_id in deviation.tasks}
