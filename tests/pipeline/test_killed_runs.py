"""Runs that are killed at random moments, in four ways, and resumed: no row is lost and none is doubled.

`EVALHARNESS_KILLED_RUNS=100 pytest -s tests/pipeline/test_killed_runs.py` runs a hundred and prints how each ended.
"""

import json
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.own_engine import OwnEngine, own_engine, until
from helpers.run_command import RUN

from evalharness.sandbox.engines import docker as docker_engine

pytestmark = [pytest.mark.docker, pytest.mark.slow]

RUNS = int(os.environ.get("EVALHARNESS_KILLED_RUNS", "12"))
KINDS = ("sigkill", "sigterm", "disk", "engine")
SAMPLES, PROBLEMS = 40, 16
ALL = {(str(problem), sample) for problem in range(11, 11 + PROBLEMS) for sample in range(SAMPLES)}
"""The sample of the test split, whose ids begin at 11 as those of the whole do."""
LONGEST_S = 4.0
"""A kill comes at most so late: at this or that moment between the start of Python and the end of the run."""
ENDS = {
    "sigkill": {-signal.SIGKILL, 0},
    "sigterm": {130, -signal.SIGTERM, 0},  # -15: it came before there was a handler
    "disk": {2},
    "engine": {0, 1, 2},  # 2: the engine was gone before the run could ask for it
}


def start(out: Path, host: str | None = None) -> "subprocess.Popen[str]":
    around = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
    words = [*RUN, "--n", str(SAMPLES), "--out", str(out)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=around)


def rows(out: Path, name: str) -> list[dict[str, object]]:
    path = out / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def end_of(run: "subprocess.Popen[str]", wait_s: float) -> bool:
    """Whether it ends by itself so soon."""
    try:
        run.communicate(timeout=wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def disturb(kind: str, out: Path, draw: random.Random, engine: OwnEngine) -> int:
    """Begins a run and ends it before its time; its exit code."""
    if kind == "disk":
        out.mkdir()
        size = draw.randrange(24, 240, 4)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(out)], check=True)
    run = start(out, engine.host if kind == "engine" else None)
    if kind != "disk" and not end_of(run, draw.uniform(0.1, LONGEST_S)):
        if kind == "engine":
            engine.kill()
        else:
            run.send_signal({"sigkill": signal.SIGKILL, "sigterm": signal.SIGTERM}[kind])
    _, said = run.communicate(timeout=180)
    assert "Traceback" not in said, said
    assert run.returncode in ENDS[kind], said
    if run.returncode not in (0, -signal.SIGKILL, -signal.SIGTERM):
        assert said.strip(), "it says nothing"
    return run.returncode


def repair(kind: str, out: Path, engine: OwnEngine) -> None:
    if kind == "disk":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "remount,size=16m", "tmpfs", str(out)], check=True)
    if kind == "engine" and engine.process.poll() is not None:
        engine.start()


def containers_of(run: "subprocess.Popen[str]") -> list[str]:
    label = f"{docker_engine.OWNER_LABEL}={docker_engine.owner_label(run.pid)}"
    return [
        each["Id"] for each in docker_engine.connect_to_engine().api.containers(all=True, filters={"label": [label]})
    ]


@pytest.fixture(scope="module")
def other_engine(engine: None) -> Iterator[OwnEngine]:
    with own_engine() as made:
        yield made


def test_killed_at_random_moments_and_resumed(other_engine: OwnEngine, tmp_path: Path) -> None:
    draw, ends, lost, doubled = random.Random(11), Counter[str](), 0, 0
    for number in range(RUNS):
        kind, out = KINDS[number % len(KINDS)], tmp_path / str(number)
        code = disturb(kind, out, draw, other_engine)
        before = {name: rows(out, name) for name in ("completions",) if code != -signal.SIGKILL}
        ends[f"{kind} {code}"] += 1
        repair(kind, out, other_engine)
        again = start(out, other_engine.host if kind == "engine" else None)
        _, said = again.communicate(timeout=180)
        assert again.returncode == 0, said
        for name in ("completions", "verdicts"):
            keys = [(str(row["task_id"]), row["sample_id"]) for row in rows(out, name)]
            lost += len(ALL - set(keys))
            doubled += len(keys) - len(set(keys))
        assert {row["status"] for row in rows(out, "verdicts")} == {"passed"}
        for name, found in before.items():
            assert rows(out, name)[: len(found)] == found
        if kind != "engine":
            until(lambda run=again: not containers_of(run))  # type: ignore[misc]
        if kind == "disk":
            subprocess.run(["umount", "-l", str(out)], check=True)
    print(f"\n{RUNS} runs: {lost} rows lost, {doubled} doubled; ends {dict(sorted(ends.items()))}")
    assert (lost, doubled) == (0, 0)
