"""Test programs have the verdict of the official LiveCodeBench grader.

`official.json` has the verdicts that `helpers/official_livecodebench.py` recorded. With a checkout of the official
grader in $LIVECODEBENCH_CHECKOUT, a test records them again and compares.
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
from evalharness.records import CasesProgram, EncodedTestCases, Limits, Outcome, ProcessRules
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

PLANTED = programs()
OFFICIAL: dict[str, list[Any]] = json.loads((HERE / "official.json").read_text())["results"]
RULES = find_task("livecodebench")[0].rules
TIMED_OUT = -3


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 1)) as pool:
        pool.prepare(["python"])
        yield pool


def grade(planted: dict[str, Any], sandbox: ContainerPool) -> Outcome:
    tests = json.dumps([{"input": given, "output": expected} for given, expected in planted["cases"]])
    program = CasesProgram(
        "python",
        planted["source"],
        Limits(RULES["time_s"], RULES["memory_mb"]),
        ProcessRules.from_card_rules(RULES),
        EncodedTestCases(tests, function=planted.get("function", "")),
    )
    return sandbox.run(program).parts["cases"]


@pytest.mark.docker
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * case.get("slow", False)) for name, case in PLANTED.items()],
)
def test_verdict_equals_the_official_one(name: str, sandbox: ContainerPool) -> None:
    official, outcome = OFFICIAL[name], grade(PLANTED[name], sandbox)
    assert (outcome.status == "passed") == all(code > 0 for code in official), (official, outcome)
    if TIMED_OUT in official:  # The code of a timeout in a test case; other limits have no separate code.
        assert outcome.status == "timeout", outcome


def test_every_program_has_an_official_result() -> None:
    assert list(OFFICIAL) == list(PLANTED)


@pytest.mark.slow
def test_recorded_verdicts_equal_the_official_ones() -> None:
    checkout = os.environ.get("LIVECODEBENCH_CHECKOUT")
    if not checkout:
        pytest.skip("set LIVECODEBENCH_CHECKOUT to a checkout of the official grader")
    command = [sys.executable, official_livecodebench.__file__, checkout]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(done.stdout)["results"] == OFFICIAL
