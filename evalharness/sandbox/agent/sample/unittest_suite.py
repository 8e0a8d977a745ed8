"""Runs a program's `unittest` suite in the sample's process, as BigCodeBench's grader does.

Source: bigcode-project/bigcodebench, bigcodebench/eval/__init__.py `unsafe_execute`.
"""

import builtins
import os
import random
import sys
import unittest
from dataclasses import dataclass
from types import ModuleType

from ..shared.messages import ProcessSettings
from . import integrity
from .alarm import Alarm, TimeLimit
from .reporter import Reporter
from .running import Tampered, set_recursion_limit

MODULE_NAME = "__test__"
WORK_FOLDER = "work"
MAX_NAMES = 3
"""Most failed tests, or replaced functions, that a message names."""
SEED = 42


@dataclass
class RunSuiteWork:
    """Loads a program and its `unittest` suite as a module and runs the tests (a `SampleWork`)."""

    settings: ProcessSettings
    memory_mb: int

    def prepare(self, source_with_checks: str) -> None:
        """Stores the source of program and tests, which the judge sends at the start."""
        self.source = source_with_checks

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Runs the test suite. Raises AssertionError if any test fails."""
        set_recursion_limit(self.settings)
        seed_random_generators()
        os.mkdir(WORK_FOLDER)  # a program may remove the folder that it runs in
        os.chdir(WORK_FOLDER)
        module = ModuleType(MODULE_NAME)
        before = integrity.record_callable_attributes()
        vars(module).update(__builtins__=builtins, __file__=f"{MODULE_NAME}.py", sys=sys, os=os, environ=os.environ)
        exec(compile(self.source, f"{MODULE_NAME}.py", "exec", dont_inherit=True), vars(module))
        sys.modules[MODULE_NAME] = module
        suite = unittest.TestLoader().loadTestsFromTestCase(module.TestCases)
        result = unittest.TestResult()
        alarm.start(time_limits_s[0])
        suite.run(result)
        alarm.stop()
        wrong = [*result.failures, *result.errors]
        if wrong and alarm.has_expired:
            raise TimeLimit
        if wrong:
            reasons = "; ".join(f"{case}: {text.strip().splitlines()[-1]}" for case, text in wrong[:MAX_NAMES])
            failed = {getattr(case, "test_case", case) for case, _ in wrong}  # a test may have several subtests
            raise AssertionError(f"{len(failed)} of {result.testsRun} tests failed: {reasons}")
        replaced = integrity.names_of_replaced_attributes(before)
        if replaced:
            raise Tampered(f"the program replaced library functions permanently: {', '.join(replaced[:MAX_NAMES])}")


def seed_random_generators() -> None:
    """Seeds the random number generators of Python and NumPy.

    Otherwise a forked process would continue its parent's random numbers, and a verdict could differ between runs.
    """
    random.seed(SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(SEED)
