"""Judges a program whose checks are a `unittest` class named TestCases, as in BigCodeBench.

Tests and sample share a process there by design: tests patch what the sample calls. So a sample that passes is run with
false tests, too (sandbox/suite_canary.py); whoever passes those is caught.
Source of the rules: bigcode-project/bigcodebench, bigcodebench/eval/__init__.py `unsafe_execute`.
"""

import builtins
import os
import random
import re
import sys
import unittest
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import clean, intact, sample
from .process import FORGED, Part, Result, ended
from .sample import Alarm, Reporter, Tampered, TimeLimit, level_stack
from .wire import dumps

MODULE = "__test__"
FOLDER = "work"
SHOWN = 3
SEED = 42
FAILED = re.compile(r"AssertionError: (\d+) of ")


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """The result of the part `checks`; the bytes are empty."""
    kept = secret()
    runs: list[tuple[str, str | None, int]] = [(kept["whole"], None, 0), *kept["canaries"]]
    if len(runs) > 2:
        random.SystemRandom().shuffle(runs)  # so that no program can tell by when it runs which of them it is
    caught, result = False, Result()
    for source, ask, failing in runs:
        one = {**job, "inputs": dumps([]), "source": source, "ask": ask}
        ended = _run(Part(one, uid, folder, main=suite_main), job["time_s"])
        clean.between(uid, folder, set())
        if ask is not None:
            caught = caught or _is_caught(ended, ask, failing)
        elif ended["status"] != "passed":
            return {"checks": ended}, b""
        else:
            result = ended
    if caught:
        result |= {"status": "tampered", "detail": "passes though its checks are false"}
    return {"checks": result}, b""


def _is_caught(ended: Result, ask: str, failing: int) -> bool:
    """Whether a run with false tests shows that the sample does not pass by solving its problem."""
    if ask:
        return ended["status"] not in ("failed", "timeout")
    told = FAILED.match(ended["detail"]) if ended["status"] == "failed" else None
    return ended["status"] == "passed" or (told is not None and int(told[1]) < failing)


def _run(part: Part, limit: float) -> Result:
    try:
        part.go([limit], limit + 1)
        frame = part.next()
        return part.end("passed") if part.reached_end(frame) else ended(part, frame)
    except FORGED as error:
        return part.end("tampered", f"sent what no part sends: {type(error).__name__} {error}")


def run_suite(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """In the sample's process: loads program and tests as a module and runs the tests.

    Raises if any fails; with tests whose every assertion is turned, unless the sample is caught.
    """
    level_stack(part["rules"])
    seed()
    os.mkdir(FOLDER)  # its own, for a program may remove the folder that it runs in
    os.chdir(FOLDER)
    module = ModuleType(MODULE)
    before = intact.attributes()
    vars(module).update(__builtins__=builtins, __file__=f"{MODULE}.py", sys=sys, os=os, environ=os.environ)
    exec(compile(part["source"], f"{MODULE}.py", "exec", dont_inherit=True), vars(module))
    sys.modules[MODULE] = module
    suite = unittest.TestLoader().loadTestsFromTestCase(module.TestCases)
    result = unittest.TestResult()
    alarm.start(part["limits"][0])
    suite.run(result)
    alarm.stop()
    if part["ask"]:
        if getattr(module, part["ask"])():
            return
        raise AssertionError("the tests are false, and fail, as they should")
    wrong = [*result.failures, *result.errors]
    if wrong and alarm.rang:
        raise TimeLimit
    if wrong:
        told = "; ".join(f"{case}: {text.strip().splitlines()[-1]}" for case, text in wrong[:SHOWN])
        failed = {getattr(case, "test_case", case) for case, _ in wrong}  # one test may have many parts
        raise AssertionError(f"{len(failed)} of {result.testsRun} tests failed: {told}")
    gone = intact.replaced(before)
    if gone:
        raise Tampered(f"left {', '.join(gone[:SHOWN])} replaced")


def seed() -> None:
    """So that verdicts repeat: a process forked from another draws what that would, or something new each time."""
    random.seed(SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(SEED)


def suite_main(part: dict[str, Any], reporter: Reporter, uid: int, workdir: str, links: tuple[int, ...]) -> None:
    """The whole life of the process."""
    sample.main(part, reporter, uid, workdir, links, run=run_suite)
