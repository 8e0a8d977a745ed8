"""Work on large values that a sample chose, in a process of its own that may be ended.

They decide how long comparing takes, and how much memory: what C code does with them no signal interrupts.
"""

import contextlib
import os
import resource
import select
import signal
from collections.abc import Callable

from . import wire

MEMORY_MB = 768
"""What the work may use beyond what its process has already."""
SHOWN = 4096


class Unfinished(Exception):
    """The work took too long or too much memory."""


def apart(work: Callable[[], str], seconds: float) -> str:
    """The text that the work returns. Raises Unfinished."""
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _be_the_first_to_go()
            wire.write_all(answer, b"=" + work()[:SHOWN].encode(errors="replace"))
        finally:
            os._exit(0)
    os.close(answer)
    text = b""
    if select.select([answers], [], [], seconds)[0]:  # what it writes fits the pipe, so it comes at one stroke
        text = os.read(answers, 5 * SHOWN)
    os.close(answers)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not text:
        raise Unfinished
    return text[1:].decode()


def _be_the_first_to_go() -> None:
    """Limits memory. Where the container's runs out none the less, this process is ended and not the judge."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (now + (MEMORY_MB << 20), now + (MEMORY_MB << 20)))
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
