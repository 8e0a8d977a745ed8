"""Judges a program whose checks are a `unittest` class named TestCases, as in BigCodeBench.

Tests and sample share a process there by design: tests patch what the sample calls. So a sample that could have
tampered is run with `canary` tests, too, each of whose assertions must fail; whoever passes those is caught.
Source of the rules: bigcode-project/bigcodebench, bigcodebench/eval/__init__.py `unsafe_execute`.
"""

import builtins
import os
import random
import sys
import unittest
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import clean, sample
from .process import FORGED, Part, Result, ended
from .sample import Alarm, Reporter, TimeLimit, level_stack
from .wire import dumps

MODULE = "__test__"
SHOWN = 3


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """The result of the part `checks`; the bytes are empty."""
    kept = secret()
    runs = [name for name in ("whole", "canary") if kept[name]]
    random.SystemRandom().shuffle(runs)  # so that no program can tell by when it runs which of them it is
    results = {}
    for name in runs:
        one = {**job, "inputs": dumps([]), "source": kept[name], "canary": name == "canary"}
        part = Part(one, uid, folder, main=suite_main)
        results[name] = _run(part, job["time_s"])
        clean.between(uid, folder, set())
        if name == "whole" and results[name]["status"] != "passed":
            break
    result = results["whole"]
    if result["status"] == "passed" and results.get("canary", {}).get("status", "failed") != "failed":
        result |= {"status": "tampered", "detail": "passes though its checks are false"}
    return {"checks": result}, b""


def _run(part: Part, limit: float) -> Result:
    try:
        part.go([limit], limit + 1)
        frame = part.next()
        return part.end("passed") if part.reached_end(frame) else ended(part, frame)
    except FORGED as error:
        return part.end("tampered", f"sent what no part sends: {type(error).__name__} {error}")


def run_suite(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """In the sample's process: loads program and tests as a module and runs the tests.

    Raises if any fails; with canary tests, unless the sample is caught.
    """
    level_stack(part["rules"])
    module = ModuleType(MODULE)
    vars(module).update(__builtins__=builtins, __file__=f"{MODULE}.py", sys=sys, os=os, environ=os.environ)
    exec(compile(part["source"], f"{MODULE}.py", "exec", dont_inherit=True), vars(module))
    sys.modules[MODULE] = module
    suite = unittest.TestLoader().loadTestsFromTestCase(module.TestCases)
    result = unittest.TestResult()
    alarm.start(part["limits"][0])
    suite.run(result)
    alarm.stop()
    if alarm.rang:
        raise TimeLimit
    if part["canary"]:
        if module._caught():
            return
        raise AssertionError("the canary holds, as it should")
    wrong = [*result.failures, *result.errors]
    if wrong:
        told = "; ".join(f"{case}: {text.strip().splitlines()[-1]}" for case, text in wrong[:SHOWN])
        raise AssertionError(f"{len(wrong)} of {result.testsRun} tests failed: {told}")


def suite_main(part: dict[str, Any], reporter: Reporter, uid: int, workdir: str, links: tuple[int, ...]) -> None:
    """The whole life of the process."""
    sample.main(part, reporter, uid, workdir, links, run=run_suite)
