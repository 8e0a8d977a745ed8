"""Many at once, or one alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets many threads work at once, and one of them alone when it has to be. Who wants to be alone goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = self._waiting_to_be_alone = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Works beside others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting_to_be_alone)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Works while nobody else does."""
        with self._changed:
            self._waiting_to_be_alone += 1
            self._changed.wait_for(lambda: not self._alone and not self._working)
            self._waiting_to_be_alone -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
