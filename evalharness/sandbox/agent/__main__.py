"""The agent: pid 1 of the container. Forks a judge for each job that arrives on stdin; ends when stdin does."""

import gc
import importlib
import itertools
import os
import platform
import random
import select
import sys
from collections.abc import Iterator

from . import clean, judge, probe, warm, wire
from .clock import Stopwatch

FIRST_UID = 100_000
UIDS_PER_JOB = 2

VERSIONS = "/opt/evalharness/versions"

WARM = (
    *("abc", "array", "ast", "base64", "bisect", "calendar", "cmath", "collections", "contextlib", "copy"),
    *("dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "io", "itertools"),
    *("json", "math", "operator", "os", "queue", "random", "re", "statistics", "string", "struct", "sys", "textwrap"),
    *("threading", "time", "traceback", "types", "typing", "unicodedata"),
)
"""Modules that programs often import; a fork has them already."""
PRELOAD = "/opt/evalharness/preload"
"""More of them, one a line, in an image whose programs use libraries that are slow to import."""


def main() -> None:
    """Serves until stdin ends. A judge that dies ends the agent, for the stream may then be out of step."""
    for name in WARM:
        importlib.import_module(name)
    runners = load_judges()
    # Neither this package nor the working directory, in which samples write: nothing of theirs is ever imported here.
    own = os.path.dirname(os.path.dirname(__file__))
    sys.path[:] = [folder for folder in sys.path if folder not in ("", own)]
    os.chdir("/")
    os.umask(0)
    preload()
    gc.collect()
    gc.freeze()
    clock = "idle time" if Stopwatch().exact else "wall time"
    wire.write_reply(1, {"versions": versions(), "clock": clock, "runners": runners, "guarantees": probe.guarantees()})
    users = user_ids()
    while True:
        warm.keep(users)
        select.select([0], [], [])
        uid = next(users)
        pid = os.fork()
        if pid == 0:
            os._exit(serve(uid))
        code = reap(pid)
        if code:
            sys.exit(0 if code == CLOSED else 70)


def preload() -> None:
    """Imports what the image's list names.

    Raises RuntimeError for a library that starts a thread, which no fork would have, leaves a file, which would be
    taken for a sample's, or keeps one open: a sample gives up its descriptor, and a pipe that gets its number would be
    closed in the place of the file.
    """
    before = os.listdir("/proc/self/fd")
    if os.path.exists(PRELOAD):
        with open(PRELOAD) as file:
            for name in file.read().split():
                importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a module that was imported beforehand has started a thread")
    if os.listdir("/proc/self/fd") != before:
        raise RuntimeError("a module that was imported beforehand keeps a file open")
    if not clean.is_clean():
        raise RuntimeError("a module that was imported beforehand has left a file")


def user_ids() -> Iterator[int]:
    """The first user of each job, from a random one on: the kernel counts a user's processes in all containers."""
    with open("/proc/self/uid_map") as file:
        mapped = sum(int(line.split()[2]) for line in file)
    first = FIRST_UID if mapped > 2 * FIRST_UID else mapped // 4
    jobs = (min(mapped, 1 << 31) - first) // UIDS_PER_JOB
    start = random.SystemRandom().randrange(jobs)
    return (first + UIDS_PER_JOB * (number % jobs) for number in itertools.count(start))


def load_judges() -> list[str]:
    """Imports the judges that can work in this image: those that compare values want numpy."""
    ready = []
    for runner, module in judge.JUDGES.items():
        try:
            importlib.import_module(f".{module}", __package__)
        except ModuleNotFoundError:
            continue
        ready.append(runner)
    return ready


def versions() -> dict[str, str]:
    """The versions of the image's tools, as its Dockerfile wrote them down, and Python's."""
    found = {"python": platform.python_version()}
    for name in sorted(os.listdir(VERSIONS)) if os.path.isdir(VERSIONS) else ():
        with open(os.path.join(VERSIONS, name), errors="replace") as file:
            found[name] = file.readline().strip()
    return found


CLOSED = 3


def serve(uid: int) -> int:
    """One job, in the judge's process. The exit code: 0 done, `CLOSED` no more jobs."""
    try:
        judge.run(0, 1, uid)
    except wire.Closed:
        return CLOSED
    return 0


def reap(judge_pid: int) -> int:
    """Waits for the judge, and for whatever processes of a sample were left to pid 1. The judge's exit code."""
    while True:
        pid, status = os.wait()
        if pid == judge_pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
