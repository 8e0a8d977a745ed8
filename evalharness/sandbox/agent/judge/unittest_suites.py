"""Judges a program whose checks are a `unittest` class named TestCases, as in BigCodeBench.

Tests and sample share a process by design, because tests patch what the sample calls. So a sample that passes also runs
with false tests (tampering/suite_canary.py), and has tampered if it passes those.
"""

import random
import re
from collections.abc import Callable
from typing import NamedTuple

from ..sample.unittest_suite import RunSuite
from ..shared.messages import PartResult, UnitTestJob, UnitTestSecret
from . import cleaning
from .sample_process import SampleProcess

FAILED_COUNT = re.compile(r"AssertionError: (\d+) of ")
"""The message of sample/unittest_suite.py about failed tests."""


class Canary(NamedTuple):
    """A program with false tests. The function `ask` reports whether the sample is caught; else `failing` must fail."""

    program: str
    ask: str
    failing: int

    def catches(self, result: PartResult) -> bool:
        """Returns whether the result shows that the sample does not pass by solving its problem."""
        if self.ask:
            return result["status"] not in ("failed", "timeout")
        count = FAILED_COUNT.match(result["detail"]) if result["status"] == "failed" else None
        return result["status"] == "passed" or (count is not None and int(count[1]) < self.failing)


def judge(
    job: UnitTestJob, read_secret: Callable[[], UnitTestSecret], uid: int, folder: str
) -> tuple[dict[str, PartResult], bytes]:
    """Returns the result of the part `checks`; the bytes are empty."""
    secret = read_secret()
    runs: list[Canary | None] = [None, *(Canary(*fields) for fields in secret["canaries"])]
    if len(runs) > 2:
        random.SystemRandom().shuffle(runs)  # so that no program can tell the runs apart by their order
    caught, results = False, []
    for canary in runs:
        program, ask = (canary.program, canary.ask) if canary else (secret["program"], "")
        work = RunSuite(job["settings"], job["memory_mb"], program, ask)
        result = SampleProcess(work, uid, folder).run_to_end(job["time_s"])
        cleaning.clean_between(uid, folder, set())
        if canary:
            caught = caught or canary.catches(result)
        elif result["status"] != "passed":
            return {"checks": result}, b""
        else:
            results.append(result)
    (result,) = results
    if caught:
        result["status"], result["detail"] = "tampered", "passes though its checks are false"
    return {"checks": result}, b""
