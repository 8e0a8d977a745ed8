"""The sandbox agent, pid 1 of the container: forks a judge process for each job that arrives on stdin."""

import gc
import importlib
import itertools
import os
import platform
import random
import select
import sys
from collections.abc import Iterator

from .judge import cleaning, compile_server, job, probe
from .judge.isolation import namespaces
from .shared import processor_time, wire
from .shared.clock import Stopwatch
from .shared.messages import HelloMessage

FIRST_UID = 100_000
UIDS_PER_JOB = 2
"""User ids of a job: the sample's, and that of trusted code that runs beside it."""
NO_MORE_JOBS = 3
"""The exit code of a judge process (the forked process that grades one job) that finds no more jobs."""
ExitCode = int

VERSIONS_FOLDER = "/opt/evalharness/versions"
"""The folder in which the image's Dockerfile writes the tools' versions, one file for each."""
PRELOAD_LIST = "/opt/evalharness/preload"
"""Further modules to import before the first job, one per line, in images whose programs use slow libraries."""
STANDARD_MODULES = (
    *("abc", "array", "ast", "base64", "bisect", "calendar", "cmath", "collections", "contextlib", "copy"),
    *("dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "io", "itertools"),
    *("json", "math", "operator", "os", "queue", "random", "re", "statistics", "string", "struct", "sys", "textwrap"),
    *("threading", "time", "traceback", "types", "typing", "unicodedata"),
)
"""Modules that programs often import; they are imported before forking."""


def main() -> None:
    """Runs the agent: reads jobs until stdin ends, and judges each in a forked judge process.

    Also exits if a judge process dies, because that process may have read only a part of a message from stdin.
    """
    has_group_clock = processor_time.open_cpu_time_file()  # before the agent covers it
    guarantees = probe.check_sandbox_guarantees() | {"group-clock": has_group_clock}
    trial = namespaces.fork_namespace_trial()  # beside the imports, because it mostly waits for the kernel
    for name in STANDARD_MODULES:
        importlib.import_module(name)
    kinds = load_supported_job_kinds()
    isolates = namespaces.namespace_trial_succeeds(trial)
    if isolates:
        namespaces.enter_agent_namespaces()
    # Neither this package's folder nor the working folder, in which samples write: nothing of a sample is imported.
    package_folder = os.path.dirname(os.path.dirname(__file__))
    sys.path[:] = [folder for folder in sys.path if folder not in ("", package_folder)]
    os.chdir("/")
    os.umask(0)
    import_preloaded_modules()
    gc.collect()
    gc.freeze()
    clock = "idle time" if Stopwatch().exact else "wall time"
    guarantees["read-only-devices"] = probe.has_read_only_devices()
    hello = HelloMessage(versions=tool_versions(), clock=clock, kinds=kinds, guarantees=guarantees, isolates=isolates)
    wire.write_reply(1, hello)
    users = first_uids_of_jobs()
    while True:
        compile_server.ensure_server_is_running(users)
        select.select([0], [], [])
        uid = next(users)
        pid = os.fork()
        if pid == 0:
            os._exit(judge_one_job(uid))
        code = wait_for_judge(pid)
        if code:
            sys.exit(0 if code == NO_MORE_JOBS else 70)


def import_preloaded_modules() -> None:
    """Imports the modules that the image lists in `PRELOAD_LIST`, so that forked processes need not import them.

    Raises RuntimeError if a module starts a thread (a forked process has only the main thread), creates a file in
    /tmp or /dev/shm (it would count as a file that a sample left), or keeps a file open (a sample's process closes
    the descriptor, and the module may later close a pipe that has the same number).
    """
    if not os.path.exists(PRELOAD_LIST):
        return
    with open(PRELOAD_LIST) as file:
        names = file.read().split()
    open_files = os.listdir("/proc/self/fd")
    for name in names:
        importlib.import_module(name)
        if len(os.listdir("/proc/self/task")) > 1:
            raise RuntimeError(f"module {name} starts a thread when it is imported; remove it from {PRELOAD_LIST}")
        if os.listdir("/proc/self/fd") != open_files:
            raise RuntimeError(f"module {name} keeps a file open when it is imported; remove it from {PRELOAD_LIST}")
        if not cleaning.are_writable_folders_clean():
            raise RuntimeError(
                f"module {name} creates a file in /tmp or /dev/shm when it is imported; remove it from {PRELOAD_LIST}"
            )


def first_uids_of_jobs() -> Iterator[int]:
    """Yields, without end, the first of the `UIDS_PER_JOB` consecutive Linux user ids that each job uses.

    Starts at a random id, so that containers use different ids: the kernel counts a user's processes over all
    containers.
    """
    with open("/proc/self/uid_map") as file:
        mapped = sum(int(line.split()[2]) for line in file)
    first = FIRST_UID if mapped > 2 * FIRST_UID else mapped // 4
    jobs = (min(mapped, 1 << 31) - first) // UIDS_PER_JOB
    start = random.SystemRandom().randrange(jobs)
    return (first + UIDS_PER_JOB * (number % jobs) for number in itertools.count(start))


def load_supported_job_kinds() -> list[str]:
    """Imports the modules that judge jobs; returns the kinds of job (`exec`, `calls` ...) that this image can judge.

    An image without NumPy cannot judge the kinds whose modules import NumPy.
    """
    kinds = []
    for kind in job.JUDGE_MODULES:
        try:
            job.load_judge_module(kind)
        except ModuleNotFoundError:
            continue
        kinds.append(kind)
    return kinds


def tool_versions() -> dict[str, str]:
    """Returns the versions of Python and of the tools in the image, such as compilers, by tool name."""
    by_tool = {"python": platform.python_version()}
    for name in sorted(os.listdir(VERSIONS_FOLDER)) if os.path.isdir(VERSIONS_FOLDER) else ():
        with open(os.path.join(VERSIONS_FOLDER, name), errors="replace") as file:
            by_tool[name] = file.readline().strip()
    return by_tool


def judge_one_job(sample_uid: int) -> ExitCode:
    """Reads one job from stdin and judges it in this process; returns 0, or `NO_MORE_JOBS` if stdin has no job.

    The sample runs as user `sample_uid`.
    """
    try:
        job.judge_next_job(0, 1, sample_uid)
    except wire.StreamClosed:
        return NO_MORE_JOBS
    return 0


def wait_for_judge(judge_pid: int) -> ExitCode:
    """Waits until the judge process ends; returns its exit code.

    Until then, also reaps each orphaned process of a sample when that process ends.
    """
    while True:
        pid, status = os.wait()
        if pid == judge_pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
