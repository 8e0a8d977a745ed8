"""Judges a program whose checks are a `unittest` class named TestCases, as in BigCodeBench.

Tests and sample share a process there by design: tests patch what the sample calls. So a sample that passes is run with
canaries, too: the same tests with an assertion of each made false. Whoever passes one of those is caught.
Source of the rules: bigcode-project/bigcodebench, bigcodebench/eval/__init__.py `unsafe_execute`.
"""

import math
import random
import re
import sys
import unittest
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import clean, sample
from .process import FORGED, Part, Result, ended
from .sample import Alarm, Reporter
from .wire import dumps

MODULE = "__test__"
SHOWN = 3
FAILED = re.compile(r"AssertionError: (\d+) of ")


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """The result of the part `checks`; the bytes are empty."""
    kept = secret()
    runs = [(kept["whole"], 0), *kept["canaries"]]
    if len(runs) > 2:
        random.SystemRandom().shuffle(runs)  # so that no program can tell by when it runs which of them it is
    result: Result = {}
    caught = ""
    for source, false in runs:
        part = Part({**job, "inputs": dumps([]), "source": source}, uid, folder, main=suite_main)
        ran = _run(part, job["time_s"])
        clean.between(uid, folder, set())
        if not false:
            result = ran
        elif ran["status"] == "passed" or false > _failed(ran):
            caught = "passes though its checks are false"
        if result and (caught or result["status"] != "passed"):
            break
    if result["status"] == "passed" and caught:
        result |= {"status": "tampered", "detail": caught}
    return {"checks": result}, b""


def _failed(ran: Result) -> float:
    """How many tests failed; infinitely many where the run ended otherwise, which is not to pass either."""
    found = FAILED.match(ran["detail"]) if ran["status"] == "failed" else None
    return int(found[1]) if found else math.inf


def _run(part: Part, limit: float) -> Result:
    try:
        part.go([limit], limit + 1)
        frame = part.next()
        return part.end("passed") if part.reached_end(frame) else ended(part, frame)
    except FORGED as error:
        return part.end("tampered", f"sent what no part sends: {type(error).__name__} {error}")


def run_suite(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """In the sample's process: loads program and tests as a module and runs the tests.

    Raises if any fails.
    """
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    exec(compile(part["source"], f"{MODULE}.py", "exec", dont_inherit=True), vars(module))
    suite = unittest.TestLoader().loadTestsFromTestCase(module.TestCases)
    result = unittest.TestResult()
    alarm.start(part["limits"][0])
    suite.run(result)
    alarm.stop()
    wrong = [*result.failures, *result.errors]
    if wrong:
        told = "; ".join(f"{case}: {text.strip().splitlines()[-1]}" for case, text in wrong[:SHOWN])
        failed = {getattr(case, "test_case", case) for case, _ in wrong}  # one test may have many parts
        raise AssertionError(f"{len(failed)} of {result.testsRun} tests failed: {told}")


def suite_main(part: dict[str, Any], reporter: Reporter, uid: int, workdir: str, links: tuple[int, ...]) -> None:
    """The whole life of the process."""
    sample.main(part, reporter, uid, workdir, links, run=run_suite)
