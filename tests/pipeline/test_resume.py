"""A run that is killed, stopped or disturbed ends with the rows of one left alone."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.run_command import RUN

pytestmark = pytest.mark.docker

SAMPLES = 20


def command(out: Path, *more: str) -> list[str]:
    return [*RUN, "--n", str(SAMPLES), "--out", str(out), *more]


def rows(out: Path, name: str = "verdicts") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]


def judged(out: Path) -> list[tuple[str, int, bool, str]]:
    return sorted((row["task_id"], row["sample_id"], row["passed"], row["status"]) for row in rows(out))


def verdicts_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def heed_interrupts() -> None:
    """A shell without a terminal starts what runs in the background with interrupts ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    subprocess.run(command(out), check=True, capture_output=True)
    return out


def test_killed_at_random_moments(undisturbed: Path, tmp_path: Path) -> None:
    """Killed three times, each time at a random moment after some more rows have been written."""
    draw, verdicts = random.Random(5), tmp_path / "run" / "verdicts.jsonl"
    size = verdicts_size(verdicts)
    for _ in range(3):
        process = subprocess.Popen(command(tmp_path / "run"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while verdicts_size(verdicts) <= size + 500:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        size = verdicts_size(verdicts)
    assert size < verdicts_size(undisturbed / "verdicts.jsonl")
    subprocess.run(command(tmp_path / "run"), check=True, capture_output=True)
    assert judged(tmp_path / "run") == judged(undisturbed)
    keys = [(row["task_id"], row["sample_id"]) for row in rows(tmp_path / "run", "completions")]
    assert len(keys) == len(set(keys)) == len(judged(undisturbed))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_person_or_a_cluster(undisturbed: Path, tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        command(tmp_path / "run"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    while process.poll() is None and verdicts_size(tmp_path / "run" / "verdicts.jsonl") <= 2000:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the same command resumes" in said
    assert "Traceback" not in said
    before = rows(tmp_path / "run")
    subprocess.run(command(tmp_path / "run"), check=True, capture_output=True)
    assert rows(tmp_path / "run")[: len(before)] == before
    assert judged(tmp_path / "run") == judged(undisturbed)


def test_torn_lines_are_repaired(undisturbed: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    for name in ("completions.jsonl", "verdicts.jsonl"):
        data = (out / name).read_bytes()
        (out / name).write_bytes(data[: len(data) * 2 // 3])
    subprocess.run(command(out), check=True, capture_output=True)
    assert judged(out) == judged(undisturbed)


def test_another_configuration_is_refused_and_nothing_lost(undisturbed: Path) -> None:
    before = {path.name: path.read_bytes() for path in undisturbed.iterdir()}
    done = subprocess.run(command(undisturbed, "--seed", "1"), capture_output=True, text=True)
    assert done.returncode == 2
    assert "sampling.seed was 0, now 1" in done.stderr
    assert {path.name: path.read_bytes() for path in undisturbed.iterdir()} == before


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    first = subprocess.Popen(command(tmp_path / "run"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "run" / "manifest.json").exists():
        assert first.poll() is None
        time.sleep(0.01)
    second = subprocess.run(command(tmp_path / "run"), capture_output=True, text=True)
    first.send_signal(signal.SIGTERM)
    first.communicate()
    assert (second.returncode, first.returncode) == (2, 130)
    assert "another evalharness process" in second.stderr


def test_an_infrastructure_failure_is_not_a_wrong_answer(tmp_path: Path) -> None:
    """An endpoint that fails for some requests: exit 1, left out of the rate, retried by the same command."""
    plugin = f"""
from evalharness.pipeline import config, validate
from evalharness.backends.reference import ReferenceBackend
from evalharness.cli.main import main
from dataclasses import replace

class Broken(ReferenceBackend):
    def generate(self, requests, sampling):
        for completion in super().generate(requests, sampling):
            broken = {{}}.get if {{repaired}} else lambda task_id: int(task_id) % 2
            yield replace(completion, text="", error="it broke") if broken(completion.task_id) else completion

config.find_backend = validate.find_backend = lambda name: Broken
main(["run", "--task", "mbpp", "--data", "sample", "--out", {str(tmp_path / "run")!r}])
"""
    outcome = {}
    for repaired in (False, True):
        code = plugin.replace("{repaired}", str(repaired))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
        outcome[repaired] = (done.returncode, json.loads((tmp_path / "run" / "summary.json").read_text()))
        if not repaired:
            assert "it broke" in done.stderr
    assert outcome[False][0] == 1
    assert outcome[False][1]["statuses"] == {"passed": 8, "infrastructure": 8}
    assert outcome[False][1]["metrics"]["pass@1"]["value"] == 1.0
    assert outcome[True][0] == 0
    assert outcome[True][1]["statuses"] == {"passed": 16}
