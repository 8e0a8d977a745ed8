"""Judges a Python program that contains its checks: it passes when it reaches its end.

As under the official graders, sample and checks share a process. If the sample's text does not rule out that the sample
could change its checks, they first run in a separate process, and must pass there, too. Both processes that run the
sample are forked before the judge has read the checks: the first never has them in its memory, and the second has only
those that it receives with its program.
"""

import os
from collections.abc import Callable

from ..sample.running import RunProgramWork
from ..sample.split_process import ServeCallsWork
from ..shared.messages import ExecHiddenTests, ExecJob
from . import cleaning
from .job import JudgedJob
from .sample_process import SampleProcess
from .split_checks import RunChecksWork

SPLIT_FACTOR, SPLIT_EXTRA_S = 3.0, 5.0
"""More time for checks in a separate process, where every call is a message; the other run decides about speed."""


def judge(job: ExecJob, read_hidden_tests: Callable[[], ExecHiddenTests], uid: int, workdir: str) -> JudgedJob:
    """Judges a Python program that contains its checks, such as assertions: it passes if it runs to its end.

    Returns one result, named `checks`. `read_hidden_tests` returns the checks; it is called only after the sample's
    processes are forked, so that they do not inherit the checks.
    """
    # Forked before the pipes of the split run are made: a copy of them would hide their end.
    process = SampleProcess(RunProgramWork(job["settings"], job["memory_mb"]), uid, workdir)
    split = SplitProcessRun(job, uid, workdir) if job["split"] else None
    hidden_tests = read_hidden_tests()
    split_failure = split.run_and_explain_failure(hidden_tests, uid, workdir, {process.pid}) if split else ""
    result = process.run_to_end(job["time_s"], hidden_tests["program"])
    if result["status"] == "passed" and split_failure:
        result["status"] = "tampered"
        result["detail"] = (
            f"the program passes only in one process with its tests, where it can change them; in a separate process: "
            f"{split_failure}"
        )
    return JudgedJob({"checks": result})


class SplitProcessRun:
    """A run in which the sample and its checks have two separate processes, connected by pipes.

    The constructor forks the sample's process; `run_and_explain_failure` forks the process of the checks and runs both.
    """

    def __init__(self, job: ExecJob, uid: int, workdir: str):
        self.job = job
        self.to_sample, self.to_checks = os.pipe(), os.pipe()
        pipes = (self.to_sample[0], self.to_checks[1])
        work = ServeCallsWork(job["settings"], job["memory_mb"], job["source"], *pipes)
        self.sample = SampleProcess(work, uid, workdir, pipes)

    def run_and_explain_failure(
        self, hidden_tests: ExecHiddenTests, uid: int, workdir: str, kept_pids: set[int]
    ) -> str:
        """Runs the checks in their own process; returns why the sample fails them, or an empty string if it passes.

        Kills all processes of the sample afterwards, except those with a pid in `kept_pids`.
        """
        pipes = (self.to_checks[0], self.to_sample[1])
        work = RunChecksWork(
            self.job["memory_mb"],
            hidden_tests["trusted"],
            hidden_tests["checks"],
            hidden_tests["entry_point"],
            *pipes,
        )
        checks = SampleProcess(work, uid + 1, workdir, pipes)
        for fd in (*self.to_sample, *self.to_checks):
            os.close(fd)
        limit_s = SPLIT_FACTOR * self.job["time_s"] + SPLIT_EXTRA_S
        self.sample.start_sample([], limit_s)
        checks.start_sample([limit_s], limit_s + 1)
        checks.required_processes.append(self.sample)
        result = checks.end_after_message(checks.next_message())
        self.sample.end_without_result()
        cleaning.kill_job_processes(uid + 1, kept_pids)
        is_clean = cleaning.clean_up_between_runs(uid, workdir, kept_pids)
        if result["status"] == "passed":
            return "" if is_clean else "the program leaves processes or files that cannot be removed"
        return f"{result['status']} {result['detail']}"
