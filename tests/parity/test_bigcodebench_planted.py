"""Test programs with unit tests pass here if and only if they pass the official grader of BigCodeBench.

`bigcodebench_planted.yaml` has the official verdicts and describes how they were recorded.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalharness.data.cards import find_task
from evalharness.records import Checks, Limits, ProcessRules, UnitTestProgram
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

PROGRAMS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "bigcodebench_planted.yaml").read_text(encoding="utf-8")
)
TESTS = """import unittest
class TestCases(unittest.TestCase):
    def test_two(self):
        self.assertEqual(task_func(2), 4)
    def test_three(self):
        self.assertEqual(task_func(3), 9)
"""
RULES = find_task("bigcodebench")[0].rules


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ContainerPool]:
    with closing(ContainerPool(DockerEngine(), 1)) as pool:
        pool.prepare(["python"])
        yield pool


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * case.get("slow", False)) for name, case in PROGRAMS.items()],
)
def test_verdict_equals_the_official_one(name: str, sandbox: ContainerPool) -> None:
    planted = PROGRAMS[name]
    limits = Limits(12.0 if planted.get("slow") else 3.0, RULES["memory_mb"])
    checks = Checks(planted.get("tests", TESTS))
    outcome = sandbox.run(
        UnitTestProgram("python", planted["solution"], limits, ProcessRules.from_card_rules(RULES), checks)
    )
    expected = planted.get("here", planted["official"])
    if "program" in outcome.parts:  # on a busy machine, all runs together may use up the sample's total time
        assert (outcome.parts["program"].status, expected) == ("timeout", "fail"), outcome
    else:
        assert (outcome.parts["checks"].status == "passed") == (expected == "pass"), outcome


def test_every_official_verdict_occurs() -> None:
    assert {planted["official"] for planted in PROGRAMS.values()} == {"pass", "fail", "timeout"}
