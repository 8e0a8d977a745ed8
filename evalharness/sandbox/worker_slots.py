"""Places for programs to run in, as many as may compute at once; one whose program only waits is lent to another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOOK_S = 1.0
"""How often a held place is looked at."""
ASLEEP = 0.03
"""A program waits if it used less than this share of a processor between looks, twice in a row."""
LOOKS = 2


@dataclass(eq=False)
class Place:
    """One that is held. `meter` tells the seconds of processor that its container has used, None where nobody knows."""

    meter: Callable[[], float | None] | None = None
    used_s: float | None = None
    looks: int = 0
    lent: bool = False


class Places:
    """`count` places, of which `spare` at most are lent at a time: no more than both together are ever held.

    A program that wakes while its place is lent goes on beside the other. No verdict depends on that, for its limits
    leave waiting for a core out.
    """

    def __init__(self, count: int, spare: int):
        self.most = count + spare
        self._free = threading.Semaphore(count)
        self._spare, self._lent = spare, 0
        self._held: set[Place] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    @contextmanager
    def held(self) -> Iterator[Place]:
        """Waits for a place."""
        self._free.acquire()
        place = Place()
        with self._lock:
            self._held.add(place)
            if self._spare and not self._watcher:
                self._watcher = threading.Thread(target=self._watch, daemon=True)
                self._watcher.start()
        try:
            yield place
        finally:
            with self._lock:
                self._held.discard(place)
                self._lent -= place.lent
            if not place.lent:
                self._free.release()

    def close(self) -> None:
        """Lends no more. Safe to call twice."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_S):
            with self._lock:
                candidates = [place for place in self._held if not place.lent] if self._lent < self._spare else []
            for place in candidates:
                if _asleep(place):
                    self._lend(place)

    def _lend(self, place: Place) -> None:
        with self._lock:
            if place not in self._held or self._lent >= self._spare:
                return
            place.lent = True
            self._lent += 1
        self._free.release()


def _asleep(place: Place) -> bool:
    """Looks at it once more."""
    before, meter = place.used_s, place.meter
    place.used_s = meter() if meter else None
    waits = before is not None and place.used_s is not None and 0 <= place.used_s - before < ASLEEP * LOOK_S
    place.looks = place.looks + 1 if waits else 0
    return place.looks >= LOOKS
