"""Judges a program with its checks inside: it passes when it reaches its end.

The sample shares a process with its checks there, as the official graders want it. Where its text could have touched
them, and it passed, the checks are run once more `apart` from it.
"""

import os
from collections.abc import Callable
from typing import Any

from . import apart, clean
from .process import FORGED, Part, Result, ended
from .wire import dumps

APART_FACTOR, APART_EXTRA_S = 10.0, 10.0
"""More time for the checks apart, where every call is a message; speed has been judged by then."""


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """The result of the part `checks`; the bytes are empty."""
    part = Part({**job, "inputs": dumps([])}, uid, folder)
    secret()
    limit = job["time_s"]
    try:
        part.go([limit], limit + 1)
        frame = part.next()
        result = part.end("passed") if part.reached_end(frame) else ended(part, frame)
    except FORGED as error:
        result = part.end("tampered", f"sent what no part sends: {type(error).__name__} {error}")
    if result["status"] == "passed" and job["apart"]:
        clean.between(uid, folder, set())
        why = fails_apart(job, uid, folder)
        if why:
            result |= {"status": "tampered", "detail": f"passes only where it can touch its checks: {why}"}
    return {"checks": result}, b""


def fails_apart(job: dict[str, Any], uid: int, folder: str) -> str:
    """Why the checks fail when they run in another process than the sample; empty if they pass, or cannot run so."""
    to_sample, to_checks = os.pipe(), os.pipe()
    links = ((to_sample[0], to_checks[1]), (to_checks[0], to_sample[1]))
    common = {**job, "inputs": dumps([])}
    sample = Part({**common, **job["apart"], "links": links[0]}, uid, folder, links[0], apart.sample_main)
    checks = Part({**common, **job["apart"], "links": links[1]}, uid + 1, folder, links[1], apart.checks_main)
    for fd in (*to_sample, *to_checks):
        os.close(fd)
    limit = APART_FACTOR * job["time_s"] + APART_EXTRA_S
    sample.go([], limit)
    checks.go([limit], limit + 1)
    frame = checks.next()
    result = checks.end("passed") if checks.reached_end(frame) else ended(checks, frame)
    sample.end("passed")
    if result["status"] == "passed" or result["detail"].startswith(apart.Unable.__name__):
        return ""
    return f"{result['status']} {result['detail']}"
