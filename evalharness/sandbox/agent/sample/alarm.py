"""Time limits of code inside a sample's process."""

import signal
from types import FrameType

from ..shared.clock import Stopwatch


class TimeLimit(Exception):
    """Raised in a sample at its time limit. As in the official graders, `except Exception` in a program catches it."""


class Alarm:
    """Raises TimeLimit in this process after a number of seconds; time spent waiting for a free core does not count."""

    def __init__(self, watch: Stopwatch):
        self.watch, self.has_expired = watch, False
        self._set, self._real = signal.setitimer, signal.ITIMER_REAL

    def start(self, seconds: float) -> None:
        """Sets the alarm: TimeLimit is raised in this process after `seconds`."""
        self.limit = seconds
        self.watch.restart()
        signal.signal(signal.SIGALRM, self._on_alarm_signal)
        self._set(self._real, seconds)

    def stop(self) -> None:
        """Cancels the alarm."""
        self._set(self._real, 0)

    def _on_alarm_signal(self, signum: int, frame: FrameType | None) -> None:
        left = self.limit - self.watch.elapsed_s()
        if left > 0.001:
            self._set(self._real, left)
        else:
            self.has_expired = True
            raise TimeLimit
