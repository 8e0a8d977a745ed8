"""The attacks beside the repository, `../shared/cases/attacks`: graded through the command line, none of them passes.

One file may hold many samples of a problem, each of which leaves something for the next one.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evalharness.data.cards import find_task
from evalharness.sandbox.engines import images

pytestmark = [pytest.mark.docker, pytest.mark.data]
FOLDER = Path(__file__).resolve().parents[3] / "shared" / "cases" / "attacks"
QUICK = ("he_state", "form-php")
HONEST = ("hang-java",)
"""Files of right solutions that held up the harness: they pass, and soon."""
LONGEST_S = 300
VERSIONS = {"livecodebench": "three", "bigcodebench": "v0.1.0_hf"}
"""Versions of tasks that the data folder has."""


def parameters() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.jsonl")):
        yield pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("path", list(parameters()))
def test_no_sample_passes_that_does_not_solve_its_problem(
    path: Path, cli: "Callable[..., subprocess.CompletedProcess[str]]", engine: None, datasets_dir: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    task = rows[0]["task"]
    card, entry = find_task(task)
    if path.stem not in QUICK and not images.is_image_built(entry.image or card.image):
        pytest.skip(f"the image {entry.image or card.image} is not built")
    options = ("--option", f"version={VERSIONS[task]}") if task in VERSIONS else ()
    started = time.monotonic()
    done = cli("grade", "--task", task, "--data", datasets_dir, "--samples", path, *options, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < LONGEST_S
    lines = (tmp_path / "run" / "verdicts.jsonl").read_text().splitlines()
    verdicts = [json.loads(line) for line in lines]
    assert len(verdicts) == len(rows)
    assert {row["status"] == "passed" for row in verdicts} == {path.stem in HONEST}, verdicts
