"""Runs work on large values of a sample in a separate process with limits of time and memory.

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

MEMORY_MB = 768
"""The memory that the work may use beyond that of its process at the start."""
LONGEST = 4096
"""Bytes of an outcome."""


class Unfinished(Exception):
    """The work took too much time or memory."""


def run_bounded(work: Callable[[], Outcome | None], seconds: float) -> Outcome | None:
    """Returns the outcome that the work returns. Raises Unfinished."""
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _limit_memory()
            wire.write_all(answer, (work() or PASSED).pack()[:LONGEST])
        finally:
            os._exit(0)
    os.close(answer)
    data = b""
    if select.select([answers], [], [], seconds)[0]:  # the outcome fits into the pipe, so it arrives at once
        data = os.read(answers, LONGEST)
    os.close(answers)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not data:
        raise Unfinished
    outcome = Outcome.unpack(data)
    return None if outcome == PASSED else outcome


def _limit_memory() -> None:
    """Limits memory. If the container's is exhausted, the kernel kills this process and not the judge."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (now + (MEMORY_MB << 20), now + (MEMORY_MB << 20)))
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
