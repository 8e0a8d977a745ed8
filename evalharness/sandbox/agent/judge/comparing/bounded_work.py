"""Runs comparisons of large values in a separate process with limits of time and memory.

The sample's values decide how long a comparison takes and how much memory it needs, and no signal interrupts C code.
"""

import contextlib
import os
import resource
import select
import signal
from collections.abc import Callable

from ...shared import wire
from ...shared.outcome import PASSED, Outcome

EXTRA_MEMORY_MB = 768
"""Memory that the work may use beyond that of its process at the start."""
MAX_OUTCOME_BYTES = 4096
"""Most bytes of an outcome."""


class ComparisonUnfinished(Exception):
    """Raised when a comparison exceeded its time or memory limit."""


def compare_with_limits(compare: Callable[[], Outcome | None], limit_s: float) -> Outcome | None:
    """Calls `compare` in a forked process with a time limit (in seconds) and a memory limit; returns its result.

    `compare` compares an output with the expected one: it returns the outcome if the output is wrong, and None if it is
    right. Raises ComparisonUnfinished if a limit is exceeded.
    """
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _limit_memory()
            wire.write_all(answer, (compare() or PASSED).pack()[:MAX_OUTCOME_BYTES])
        finally:
            os._exit(0)
    os.close(answer)
    data = b""
    if select.select([answers], [], [], limit_s)[0]:  # the outcome fits into the pipe, so it arrives at once
        data = os.read(answers, MAX_OUTCOME_BYTES)
    os.close(answers)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not data:
        raise ComparisonUnfinished
    outcome = Outcome.unpack(data)
    return None if outcome == PASSED else outcome


def _limit_memory() -> None:
    """Limits this process's memory; makes the kernel kill this process first if the container has no memory left."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (now + (EXTRA_MEMORY_MB << 20), now + (EXTRA_MEMORY_MB << 20)))
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
