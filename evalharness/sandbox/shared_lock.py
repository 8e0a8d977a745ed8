"""A readers-writer lock: many threads share it, or one holds it exclusively."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """A readers-writer lock that prefers readers for a limited time.

    While a thread waits to hold the lock exclusively, others may still acquire it shared, until the thread has waited
    `patience_s` seconds.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shared = self._impatient = 0
        self._exclusive = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """A context manager that holds the lock shared: other threads may hold it shared, too."""
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
        """A context manager that holds the lock exclusively.

        While the calling thread waits for the lock, others may still acquire it shared, but only for `patience_s`
        seconds.
        """
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
