"""Admission control: limits the completions that wait for the engine, and estimates when there is room again."""

import math

from evalharness.model_server.engine.protocol import EngineLoad
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.text import counted

LONGEST_RETRY_S = 60
SMOOTHING = 0.1
"""Weight of the newest completion in the moving average of durations."""


class AdmissionQueue:
    """Counts running and waiting completions of an engine, and refuses requests beyond the limit.

    A row is one completion in the engine's batch. Not thread-safe: use it in one event loop.
    """

    def __init__(self, concurrency: int, limit: int) -> None:
        """`concurrency` completions run at a time and `limit` more may wait."""
        self._concurrency, self._limit = concurrency, limit
        self.rows = 0
        """Rows that wait or run."""
        self._mean_s = 1.0

    def enter(self, rows: int) -> None:
        """Counts the completions of a new request. Raises RequestRefused (HTTP 429) if too many wait."""
        if rows > self._concurrency + self._limit:
            raise RequestRefused(
                400,
                f"{counted(rows, 'completion')} in one request exceed what the server takes, "
                f"{self._concurrency + self._limit}; send a smaller n",
                parameter="n",
            )
        if self.rows + rows > self._concurrency + self._limit:
            raise RequestRefused(
                429,
                f"{counted(max(0, self.rows - self._concurrency), 'completion')} of {self._limit} are waiting, "
                f"{rows} more find no place; retry later",
                self.retry_s,
                code="queue_full",
            )
        self.rows += rows

    def leave(self, rows: int, seconds: float | None) -> None:
        """Removes completions that have ended; `seconds`: their duration, None for ones that did not run."""
        self.rows -= rows
        if seconds is not None:
            self._mean_s += SMOOTHING * (seconds - self._mean_s)

    def load(self, running: int) -> EngineLoad:
        """Returns how many completions run and wait, given the number of running ones."""
        return EngineLoad(running, max(0, self.rows - running), self.retry_s)

    @property
    def retry_s(self) -> int:
        """Estimated seconds until about half of the completions have ended."""
        return max(1, min(LONGEST_RETRY_S, math.ceil(self.rows * self._mean_s / self._concurrency / 2)))
