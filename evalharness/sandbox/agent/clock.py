"""Time as an idle machine would measure it: wall-clock time less the time spent waiting for a free core.

The official graders limit wall-clock time, so their verdicts change with the load of the machine. A process that
sleeps or hangs uses this time as fast as the wall clock; one that is runnable, but not running, uses none.
The kernel keeps both figures per thread in /proc/PID/schedstat: nanoseconds on a core, and waiting for one.
"""

import contextlib
import glob
import os
import select
import time
from collections.abc import Iterable

CPU_FACTOR = 3.0
"""How much processor time all processes of a program may use together, in terms of its time: a crowd of busy processes
waits for cores most of the time, so that the clock of each stands nearly still."""
WALL_FACTOR, WALL_EXTRA_S = 10.0, 30.0
"""The backstop by the wall clock, for a kernel on which the better clock stands still."""

STANDING: dict[int, int] = {}
"""Processes that outlive a job without being its own, as a compile server: number, and descriptor (pidfd)."""


def not_of_the_job() -> set[int]:
    """Agent, judge, and those of `STANDING` that live: the number of one that has ended may be a sample's by now."""
    ended = select.select([*STANDING.values()], [], [], 0)[0] if STANDING else []
    return {1, os.getpid(), *(pid for pid, descriptor in STANDING.items() if descriptor not in ended)}


def of_the_job() -> list[int]:
    """All other processes of the container that live."""
    others = not_of_the_job()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in others]


def cpu_seconds(pids: Iterable[int] | None = None) -> float:
    """Processor time used by these processes, or those of the job, that live, and their children."""
    ticks = 0
    for pid in of_the_job() if pids is None else pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            # After the name, which ends at the last bracket: utime, stime, cutime and cstime are fields 12 to 15.
            ticks += sum(map(int, file.read().rpartition(b")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def waited_seconds(pids: Iterable[int] | None = None) -> float:
    """Time that all threads of these processes, or those of the job, that live spent waiting for a free core."""
    return sum(_waits(of_the_job() if pids is None else pids).values()) / 1e9


def _waits(pids: Iterable[int]) -> dict[str, int]:
    """Nanoseconds that each thread of these processes has waited for a free core."""
    found = {}
    for pid in pids:
        for path in glob.iglob(f"/proc/{pid}/task/*/schedstat"):
            with contextlib.suppress(OSError, ValueError, IndexError), open(path, "rb") as file:
                found[path] = int(file.read().split()[1])
    return found


class Waits:
    """Time that all threads of a job have spent waiting for a free core, up to when each was last seen.

    A command has others do its work, one after the other, as a compiler does; the kernel keeps no such figure of
    those that have ended.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._before = 0

    def look(self) -> float:
        """Seconds up to now. What starts and ends between two looks is missed."""
        for path, waited in _waits(of_the_job()).items():
            last = self._last.get(path, 0)
            self._before += last if waited < last else 0  # its number was given to another thread
            self._last[path] = waited
        return (self._before + sum(self._last.values())) / 1e9


def is_over(limit_s: float, wall_s: float, waited_s: float, cpu_s: float) -> bool:
    """Whether an idle machine would have taken longer than the limit. Waiting for a core counts against no one.

    The waits of all threads are taken off, for a runtime's main thread may wait for others that wait for a core;
    a crowd of busy threads is held by its processor time.
    """
    if wall_s > WALL_FACTOR * limit_s + WALL_EXTRA_S:
        return True
    return wall_s > limit_s and (wall_s - waited_s > limit_s or cpu_s > CPU_FACTOR * limit_s)


class Stopwatch:
    """Seconds since the start, as on an idle machine, of the main thread of process `pid`.

    Where the kernel keeps no schedstat the wall clock alone is used (`exact` is then False).
    """

    def __init__(self, pid: int | None = None):
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(f"/proc/{pid or 'self'}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self.exact = self._waited() is not None
        self.restart()

    def restart(self) -> None:
        """Starts again at zero."""
        self._wall = time.monotonic()
        self._wait = self._waited() or 0.0

    def wall_s(self) -> float:
        """Seconds by the wall clock."""
        return time.monotonic() - self._wall

    def elapsed_s(self) -> float:
        """Seconds as on an idle machine."""
        wall = self.wall_s()
        waited = self._waited()
        return wall if waited is None else max(0.0, wall - (waited - self._wait))

    def close(self) -> None:
        """Frees the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _waited(self) -> float | None:
        if self._fd < 0:
            return None
        try:
            return int(os.pread(self._fd, 128, 0).split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return None
