"""Worker slots limit how many programs compute at a time.

While a program only sleeps, or has used more CPU time than its limit, another program uses its slot.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CHECK_INTERVAL_S = 1.0
"""Seconds between checks of an occupied slot."""
SLEEPING_SHARE = 0.03
"""A program sleeps if it used less than this share of a core between `MIN_SLEEPING_CHECKS` consecutive checks."""
MIN_SLEEPING_CHECKS = 2


@dataclass(eq=False)
class WorkerSlot:
    """A worker slot: a permission to compute, which a program holds while it runs.

    `cpu_meter` returns the CPU seconds that the program's container has used, or None if unknown.
    """

    limit_s: float = math.inf
    """CPU seconds after which the program shares its slot and has a lower priority."""
    cpu_meter: Callable[[], float | None] | None = None
    lower_priority: Callable[[], None] | None = None
    """Lowers the CPU priority of the slot's container."""
    first_cpu_s: float | None = None
    cpu_s: float | None = None
    sleeping_checks: int = 0
    shared: bool = False

    def may_be_shared(self) -> bool:
        """Returns whether a second program may use the slot now; reads the container's CPU meter.

        It may do so if the slot's program sleeps, or has used more CPU time than its limit. In the second case, also
        lowers the program's priority. Returns False if the CPU time is unknown.
        """
        before = self.cpu_s
        self.cpu_s = self.cpu_meter() if self.cpu_meter else None
        if self.cpu_s is None:
            return False
        if self.first_cpu_s is None:
            self.first_cpu_s = self.cpu_s
        sleeping = before is not None and 0 <= self.cpu_s - before < SLEEPING_SHARE * CHECK_INTERVAL_S
        self.sleeping_checks = self.sleeping_checks + 1 if sleeping else 0
        if self.cpu_s - self.first_cpu_s > self.limit_s:
            if self.lower_priority:
                self.lower_priority()
            return True
        return self.sleeping_checks >= MIN_SLEEPING_CHECKS


class WorkerSlots:
    """Limits how many programs compute at a time: one per slot, or two in up to `max_shared` of the `count` slots.

    Two programs share a slot if the first one only sleeps or has exceeded its CPU time. If a sleeping program continues
    while its slot is shared, both programs run. No verdict depends on that, because time limits do not count time spent
    waiting for a core.
    """

    def __init__(self, count: int, max_shared: int):
        self.max_programs = count + max_shared
        self._free = threading.Semaphore(count)
        self._max_shared, self._shared = max_shared, 0
        self._occupied: set[WorkerSlot] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    @contextmanager
    def occupy_slot(self) -> Iterator[WorkerSlot]:
        """A context manager that waits for a free worker slot and occupies it."""
        self._free.acquire()
        slot = WorkerSlot()
        with self._lock:
            self._occupied.add(slot)
            if self._max_shared and not self._watcher:
                self._watcher = threading.Thread(target=self._watch_for_sleeping_programs, daemon=True)
                self._watcher.start()
        try:
            yield slot
        finally:
            with self._lock:
                self._occupied.discard(slot)
                self._shared -= slot.shared
            if not slot.shared:
                self._free.release()

    def close(self) -> None:
        """Ends the thread that lets other programs share the slots of sleeping programs. Safe to call twice."""
        self._closed.set()

    def _watch_for_sleeping_programs(self) -> None:
        while not self._closed.wait(CHECK_INTERVAL_S):
            with self._lock:
                candidates = (
                    [slot for slot in self._occupied if not slot.shared] if self._shared < self._max_shared else []
                )
            for slot in candidates:
                if slot.may_be_shared():
                    self._share_slot(slot)

    def _share_slot(self, slot: WorkerSlot) -> None:
        with self._lock:
            if slot not in self._occupied or self._shared >= self._max_shared:
                return
            slot.shared = True
            self._shared += 1
        self._free.release()
