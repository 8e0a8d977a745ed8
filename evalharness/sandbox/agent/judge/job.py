"""Judges one job: reads it, runs it, removes everything that it left, and replies to the host."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..shared import wire
from ..shared.messages import Job, JobIsolation, JobPartResult, ReplyMessage
from . import cleaning
from .isolation import namespaces

JUDGE_MODULES = {
    "exec": "exec_checks",
    "calls": "calls",
    "reference": "references",
    "cases": "cases",
    "unittest": "unittest_suites",
    "command": "commands",
}
"""The module that judges each kind of job, by its function `judge`."""


class JudgedJob(NamedTuple):
    """The result of each part of a job (such as a group of inputs), by the part's name, up to the first failed part."""

    results: dict[str, JobPartResult]
    recorded_outputs: bytes = b""
    """The encoded outputs of a reference solution, which the host stores; empty for a job that runs a sample."""


class JudgeModule(Protocol):
    """A module that judges one kind of job, by its function `judge`."""

    def judge(self, job: Any, read_hidden_tests: Callable[[], Any], uid: int, workdir: str) -> JudgedJob:
        """Judges a job, whose sample runs as user `uid` in the folder `workdir`.

        Calls `read_hidden_tests` exactly once, after it has forked all processes of the sample. `read_hidden_tests`
        returns what the sample must not know, such as tests or expected outputs.
        """
        ...


def load_judge_module(job_kind: str) -> JudgeModule:
    """Returns the module that judges jobs of this kind.

    Raises ModuleNotFoundError if the image lacks a library that the module imports, such as NumPy.
    """
    module: Any = importlib.import_module(f".{JUDGE_MODULES[job_kind]}", __package__)
    return module  # type: ignore[no-any-return]


def judge_next_job(stdin_fd: int, stdout_fd: int, sample_uid: int) -> None:
    """Reads the next job from descriptor `stdin_fd`, judges it, and writes the reply to `stdout_fd`.

    The sample runs as user `sample_uid`. Raises wire.StreamClosed if there is no job.
    """
    isolation: JobIsolation = wire.read_message(stdin_fd)
    job: Job = wire.read_message(stdin_fd)
    if isolation["isolated"]:
        namespaces.isolate_later_forks()
    folder = cleaning.make_workdir(sample_uid)
    judged = load_judge_module(job["kind"]).judge(job, lambda: wire.read_message(stdin_fd), sample_uid, folder)
    ended = cleaning.kill_job_processes(sample_uid, set())
    removed = cleaning.remove_sample_files(sample_uid, folder)
    wire.write_reply(stdout_fd, ReplyMessage(parts=judged.results, clean=ended and removed), judged.recorded_outputs)
