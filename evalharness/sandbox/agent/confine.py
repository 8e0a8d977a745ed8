"""What a process gives up before it runs anything of a sample's."""

import os
import resource

from . import syscalls

PROCESSES = 128
"""Processes and threads of one sample; the container allows more, so that the judge can always fork."""
NICE = 10
MESSAGE_QUEUES = 12
"""RLIMIT_MSGQUEUE of Linux, which `resource` has no name for: queues would outlive their sample."""


def confine(uid: int, workdir: str, memory_mb: int | None, stack: bool, keep: tuple[int, ...]) -> None:
    """Gives up root, every descriptor but `keep` and the first three, and the right to more of anything.

    `memory_mb` limits the address space (None: the container alone limits memory, for runtimes that reserve far
    more than they use); `stack` limits the stack as well. Never returns to what it was.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for fd in {0, 1, 2} - set(keep):
        os.dup2(null, fd)
    kept = sorted({0, 1, 2, *keep})
    for low, high in zip(kept, [*kept[1:], 4096], strict=True):
        os.closerange(low + 1, high)
    os.setsid()
    if memory_mb is not None:
        size = memory_mb << 20
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA, *((resource.RLIMIT_STACK,) if stack else ())):
            resource.setrlimit(limit, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(MESSAGE_QUEUES, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    os.nice(NICE)  # so that the judge gets its turn, whatever crowd of processes this one makes
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.umask(0o022)
    os.chdir(workdir)
    syscalls.refuse()
