"""Limits the rows that wait, and estimates when a place will be free."""

import math

from evalharness.model_server.engine.protocol import EngineLoad
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.text import counted

LONGEST_RETRY_S = 60
SMOOTHING = 0.1
"""Weight of the newest row in the moving average of durations."""


class RowQueue:
    """Counts the rows of an engine. Not thread-safe; for use in one event loop."""

    def __init__(self, concurrency: int, limit: int) -> None:
        """`concurrency` rows run at a time and `limit` more may wait."""
        self._concurrency, self._limit = concurrency, limit
        self.rows = 0
        """Rows that wait or run."""
        self._mean_s = 1.0

    def enter(self, rows: int) -> None:
        """Counts new rows. Raises RequestRefused if too many wait."""
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
        """Counts rows that have ended; `seconds` is how long they took, None for rows that did not run."""
        self.rows -= rows
        if seconds is not None:
            self._mean_s += SMOOTHING * (seconds - self._mean_s)

    def load(self, running: int) -> EngineLoad:
        """Returns how busy the engine is, given the number of running rows."""
        return EngineLoad(running, max(0, self.rows - running), self.retry_s)

    @property
    def retry_s(self) -> int:
        """Seconds in which about half of the rows should have ended."""
        return max(1, min(LONGEST_RETRY_S, math.ceil(self.rows * self._mean_s / self._concurrency / 2)))
