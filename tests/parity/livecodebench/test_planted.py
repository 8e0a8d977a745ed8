"""Planted programs get the verdict that the official LiveCodeBench grader gives them.

`official.json` holds what `official.py` recorded; with a checkout in $LIVECODEBENCH_CHECKOUT it is recorded anew.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from helpers import official_livecodebench
from helpers.official_livecodebench import HERE, programs

from evalharness.data.cards import find_task
from evalharness.records import Cases, CasesProgram, Limits, Outcome, ProcessRules
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

PLANTED = programs()
OFFICIAL: dict[str, list[Any]] = json.loads((HERE / "official.json").read_text())["results"]
RULES = find_task("livecodebench")[0].rules
TIMED_OUT = -3


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 1)) as opened:
        opened.prepare(["python"])
        yield opened


def judged(planted: dict[str, Any], sandbox: ContainerPool) -> Outcome:
    tests = json.dumps([{"input": given, "output": expected} for given, expected in planted["cases"]])
    program = CasesProgram(
        "python",
        planted["source"],
        Limits(RULES["time_s"], RULES["memory_mb"]),
        ProcessRules.of(RULES),
        Cases(tests, function=planted.get("function", "")),
    )
    return sandbox.run(program).parts["cases"]


@pytest.mark.docker
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * each.get("slow", False)) for name, each in PLANTED.items()]
)
def test_verdict(name: str, sandbox: ContainerPool) -> None:
    official, outcome = OFFICIAL[name], judged(PLANTED[name], sandbox)
    assert (outcome.status == "passed") == all(code > 0 for code in official), (official, outcome)
    if TIMED_OUT in official:  # the code of an alarm while a case is run; other limits have no code of their own
        assert outcome.status == "timeout", outcome


def test_every_program_has_an_official_result() -> None:
    assert list(OFFICIAL) == list(PLANTED)


@pytest.mark.slow
def test_official_results_are_what_the_official_grader_says() -> None:
    checkout = os.environ.get("LIVECODEBENCH_CHECKOUT")
    if not checkout:
        pytest.skip("no official grader here; set LIVECODEBENCH_CHECKOUT to a folder that has it")
    command = [sys.executable, official_livecodebench.__file__, checkout]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(done.stdout)["results"] == OFFICIAL
