"""Judges a program with its checks inside: it passes when it reaches its end.

The sample shares a process with its checks there, as the official graders want it. Where it is not plain that its text
could not have touched them, the checks are run `apart` from it as well, and must pass there, too. That comes first:
the process that runs the sample apart is forked before the judge has read the checks, and nothing of them can be left
for it to find.
"""

import os
from collections.abc import Callable
from typing import Any

from . import apart, clean
from .process import FORGED, Part, Result, ended
from .wire import dumps

APART_FACTOR, APART_EXTRA_S = 3.0, 5.0
"""More time for the checks apart, where every call is a message; speed is judged in the other run."""


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """The result of the part `checks`; the bytes are empty."""
    job["inputs"] = dumps([])
    pair = Pair(job, uid, folder) if job["apart"] else None
    kept = secret()
    wrong_apart = pair.fails(kept, uid, folder) if pair else ""
    part = Part({**job, "source": kept["whole"]}, uid, folder)
    limit = job["time_s"]
    try:
        part.go([limit], limit + 1)
        frame = part.next()
        result = part.end("passed") if part.reached_end(frame) else ended(part, frame)
    except FORGED as error:
        result = part.end("tampered", f"sent what no part sends: {type(error).__name__} {error}")
    if result["status"] == "passed" and wrong_apart:
        result |= {"status": "tampered", "detail": f"passes only where it can touch its checks: {wrong_apart}"}
    return {"checks": result}, b""


class Pair:
    """The sample in one process, its checks in another, and pipes between them. The first is forked at once."""

    def __init__(self, job: dict[str, Any], uid: int, folder: str):
        self.job = job
        self.to_sample, self.to_checks = os.pipe(), os.pipe()
        links = (self.to_sample[0], self.to_checks[1])
        self.sample = Part({**job, "links": links}, uid, folder, links, apart.sample_main)

    def fails(self, kept: dict[str, Any], uid: int, folder: str) -> str:
        """Why the checks fail when they run in another process than the sample; empty if they pass."""
        links = (self.to_checks[0], self.to_sample[1])
        checks = Part({**self.job, **kept, "links": links}, uid + 1, folder, links, apart.checks_main)
        for fd in (*self.to_sample, *self.to_checks):
            os.close(fd)
        limit = APART_FACTOR * self.job["time_s"] + APART_EXTRA_S
        self.sample.go([], limit)
        checks.go([limit], limit + 1)
        checks.needs.append(self.sample)
        frame = checks.next()
        result = checks.end("passed") if checks.reached_end(frame) else ended(checks, frame)
        self.sample.end("passed")
        clean.end_processes(uid + 1, set())
        left = not clean.between(uid, folder, set())
        if result["status"] == "passed":
            return "it leaves processes or files that cannot be removed" if left else ""
        return f"{result['status']} {result['detail']}"
