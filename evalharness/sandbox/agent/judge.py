"""Judges one job: reads it, has it run, leaves nothing of it behind, and answers the host."""

import importlib
from typing import Any

from . import clean, wire

JUDGES = {
    "exec": "checks",
    "calls": "calls",
    "reference": "calls",
    "cases": "cases",
    "unittest": "suites",
    "command": "commands",
}
"""The module that judges each kind of job."""


def run(stdin: int, stdout: int, uid: int) -> None:
    """Judges the next job on `stdin`, as user `uid`. Raises wire.Closed if there is none."""
    job = wire.read_job(stdin)
    folder = clean.make_workdir(uid)
    judge: Any = importlib.import_module(f".{JUDGES[job['runner']]}", __package__)
    results, blob = judge.judge(job, lambda: wire.read_job(stdin), uid, folder)
    ended = clean.end_processes(uid, set())
    removed = clean.remove_files(uid, folder)
    wire.write_reply(stdout, {"parts": results, "clean": ended and removed}, blob)
