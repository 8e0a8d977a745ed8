"""Measures time as on an idle machine: wall-clock time minus the time spent waiting for a free core.

The official graders limit wall-clock time, so their verdicts change with the load of the machine. While a process
sleeps or hangs, this clock runs as fast as the wall clock; while it is runnable but not running, the clock stands. The
kernel counts nanoseconds on a core, and waiting for one, per thread in /proc/PID/schedstat.
"""

import contextlib
import glob
import os
import select
import time
from collections.abc import Iterable

from . import processor_time

CPU_FACTOR = 1.5
"""CPU time limit of all processes of a Python program together, as a multiple of its time limit: if many are busy, each
waits for a core most of the time, so that the clock of the first hardly advances.
"""
COMMAND_CPU_FACTOR = 3.0
"""CPU time limit of a command as a multiple of its time limit; its compiler or runtime has its own threads."""
WALL_FACTOR = 10.0
"""Wall-clock limit, as a multiple of the time limit, for processes whose clock does not advance."""

PERSISTENT_PIDFDS: dict[int, int] = {}
"""Processes such as a compile server that outlive jobs: pid to pidfd."""
INIT_PIDS: set[int] = set()
"""The init processes of the job's PID namespaces, which run no code of a sample."""


def pids_outside_job() -> set[int]:
    """Returns the pids of the container's processes that do not belong to the job.

    They are the agent, the judge, the processes in `INIT_PIDS`, and the live processes in `PERSISTENT_PIDFDS`. The pid
    of an ended process is left out, because a process of the sample may have received it.
    """
    ended = select.select([*PERSISTENT_PIDFDS.values()], [], [], 0)[0] if PERSISTENT_PIDFDS else []
    return {
        1,
        os.getpid(),
        *INIT_PIDS,
        *(pid for pid, descriptor in PERSISTENT_PIDFDS.items() if descriptor not in ended),
    }


def job_pids() -> list[int]:
    """Returns the pids of the job's live processes: all in the container except `pids_outside_job`."""
    others = pids_outside_job()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in others]


def cpu_seconds(pids: Iterable[int] | None = None) -> float:
    """Returns the CPU seconds of the live processes `pids` and of the children that they have waited for.

    If `pids` is None, of all processes of the job.
    """
    ticks = 0
    for pid in job_pids() if pids is None else pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            # After the name, which ends at the last bracket: utime, stime, cutime and cstime are fields 12 to 15.
            ticks += sum(map(int, file.read().rpartition(b")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def core_wait_seconds(pids: Iterable[int] | None = None) -> float:
    """Returns the seconds, summed over threads, that the live processes `pids` have waited for a free core.

    If `pids` is None, of all processes of the job.
    """
    return sum(_waited_ns_by_thread(job_pids() if pids is None else pids).values()) / 1e9


def _waited_ns_by_thread(pids: Iterable[int]) -> dict[str, int]:
    """Returns the nanoseconds that each thread of these processes has waited for a free core, by its path in /proc."""
    waits = {}
    for pid in pids:
        for path in glob.iglob(f"/proc/{pid}/task/*/schedstat"):
            with contextlib.suppress(OSError, ValueError, IndexError), open(path, "rb") as file:
                waits[path] = int(file.read().split()[1])
    return waits


class CoreWaitMeter:
    """Sums the time that a job's threads wait for a free core, including threads that have ended.

    The kernel keeps no waiting time of ended threads, so the last value read counts for them. A compiler, for example,
    runs its passes as successive processes, each of which ends.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._ended = 0

    def read_waited_s(self) -> float:
        """Reads the kernel's counters; returns the seconds that the job's threads have waited up to now.

        Does not count threads that start and end between two readings.
        """
        for path, waited in _waited_ns_by_thread(job_pids()).items():
            last = self._last.get(path, 0)
            self._ended += last if waited < last else 0  # its number now belongs to another thread
            self._last[path] = waited
        return (self._ended + sum(self._last.values())) / 1e9


def exceeds_time_limit(limit_s: float, wall_s: float, waited_s: float, cpu_s: float) -> bool:
    """Returns whether a program has exceeded its time limit, not counting time that its threads waited for a core.

    The time that counts is `wall_s` minus `waited_s`, the waiting time of all threads, because the main thread may wait
    for another thread that waits for a core. Many busy threads together may wait for more than `wall_s`, so there are
    also limits for CPU time (`COMMAND_CPU_FACTOR`) and for wall-clock time (`WALL_FACTOR`).
    """
    if wall_s > WALL_FACTOR * limit_s:
        return True
    return wall_s > limit_s and (wall_s - waited_s > limit_s or cpu_s > COMMAND_CPU_FACTOR * limit_s)


class JobCpuMeter:
    """Measures the CPU time that a job's processes use after the meter is created.

    This is the CPU time of the container's control group, which includes ended processes, minus that of the judge and
    of the processes in `PERSISTENT_PIDFDS`. Without a control group, only live processes count.
    """

    def __init__(self) -> None:
        self._before = self._total_cpu_s()

    def used_s(self) -> float:
        """Returns the CPU seconds that the job has used since the meter was created."""
        return max(0.0, self._total_cpu_s() - self._before)

    def _total_cpu_s(self) -> float:
        total = processor_time.control_group_cpu_s()
        if total is None:
            return cpu_seconds()
        return total - time.process_time() - (cpu_seconds(PERSISTENT_PIDFDS) if PERSISTENT_PIDFDS else 0.0)


class Stopwatch:
    """Measures wall-clock time minus the time that a process's main thread waits for a free core, in seconds.

    If the kernel provides no schedstat file, measures wall-clock time only; `exact` is then False.
    """

    def __init__(self, pid: int | None = None):
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(f"/proc/{pid or 'self'}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self.exact = self._waited_s() is not None
        self.restart()

    def restart(self) -> None:
        """Restarts the stopwatch at zero."""
        self._wall = time.monotonic()
        self._wait = self._waited_s() or 0.0

    def wall_s(self) -> float:
        """Returns the wall-clock seconds since the last start."""
        return time.monotonic() - self._wall

    def elapsed_s(self) -> float:
        """Returns the seconds since the last start, without time spent waiting for a free core."""
        wall = self.wall_s()
        waited = self._waited_s()
        return wall if waited is None else max(0.0, wall - (waited - self._wait))

    def close(self) -> None:
        """Closes the process's file /proc/PID/schedstat."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _waited_s(self) -> float | None:
        if self._fd < 0:
            return None
        try:
            return int(os.pread(self._fd, 128, 0).split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return None
