"""Gives up rights and limits resources before a process runs a sample's code."""

import os
import resource

from ..shared import syscalls

MAX_PROCESSES = 128
"""Most processes and threads of one sample; the container allows more, so that the judge can always fork."""
NICE = 10
"""The niceness of a sample's processes."""
RLIMIT_MSGQUEUE = 12
"""RLIMIT_MSGQUEUE of Linux, which `resource` does not name. Message queues would outlive their sample."""


def confine(uid: int, workdir: str, memory_mb: int | None, limit_stack: bool, kept_fds: tuple[int, ...]) -> None:
    """Confines this process irreversibly: changes its user, closes descriptors except `kept_fds`, sets limits.

    `memory_mb` limits the address space in MiB and, with `limit_stack`, also the stack. If it is None, only the
    container's memory limit applies, for runtimes that reserve far more memory than they use.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for fd in {0, 1, 2} - set(kept_fds):
        os.dup2(null, fd)
    kept = sorted({0, 1, 2, *kept_fds})
    for low, high in zip(kept, [*kept[1:], 4096], strict=True):
        os.closerange(low + 1, high)
    os.setsid()
    if memory_mb is not None:
        size = memory_mb << 20
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA, *((resource.RLIMIT_STACK,) if limit_stack else ())):
            resource.setrlimit(limit, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(RLIMIT_MSGQUEUE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (MAX_PROCESSES, MAX_PROCESSES))
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    os.nice(NICE)  # so that the judge is scheduled, however many processes the sample starts
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.umask(0o022)
    os.chdir(workdir)
    syscalls.install_seccomp_filter()
