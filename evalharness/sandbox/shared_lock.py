"""A lock that many threads share, or one holds exclusively when nobody else needs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Held by many threads in shared mode or by one in exclusive mode.

    A thread that waits to hold it exclusively delays no other while its patience lasts.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shared = self._impatient = 0
        self._exclusive = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Holds the lock together with other threads."""
        with self._changed:
            self._changed.wait_for(lambda: not self._exclusive and not self._impatient)
            self._shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._shared -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, patience_s: float) -> Iterator[None]:
        """Holds the lock while no other thread does. After `patience_s` seconds, no other may take it first."""
        with self._changed:
            if not self._changed.wait_for(self._is_free, patience_s):
                self._impatient += 1
                self._changed.wait_for(self._is_free)
                self._impatient -= 1
            self._exclusive = True
        try:
            yield
        finally:
            with self._changed:
                self._exclusive = False
                self._changed.notify_all()

    def _is_free(self) -> bool:
        return not self._exclusive and not self._shared
