"""A lock that many threads share, or one holds exclusively."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Held by many threads in shared mode or by one in exclusive mode. Waiting exclusive holders come first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shared = self._waiting_exclusive = 0
        self._exclusive = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Holds the lock together with other threads."""
        with self._changed:
            self._changed.wait_for(lambda: not self._exclusive and not self._waiting_exclusive)
            self._shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._shared -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds the lock while no other thread does."""
        with self._changed:
            self._waiting_exclusive += 1
            self._changed.wait_for(lambda: not self._exclusive and not self._shared)
            self._waiting_exclusive -= 1
            self._exclusive = True
        try:
            yield
        finally:
            with self._changed:
                self._exclusive = False
                self._changed.notify_all()
