"""Admission control: limits the completions that wait for the engine, and estimates when to retry."""

import math

from evalharness.model_server.engine.protocol import EngineLoad
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.text import counted

LONGEST_RETRY_S = 60
SMOOTHING = 0.1
"""Weight of the newest completion in the moving average of durations."""


class AdmissionQueue:
    """Counts an engine's running and waiting completions, and refuses requests that exceed the queue's limit.

    A completion is called a row, as in the engine's batch. Not thread-safe: use it in one event loop.
    """

    def __init__(self, concurrency: int, limit: int) -> None:
        """`concurrency` completions run at a time and `limit` more may wait."""
        self._concurrency, self._limit = concurrency, limit
        self.rows = 0
        """Number of waiting and running completions."""
        self._mean_s = 1.0

    def admit(self, rows: int) -> None:
        """Adds the completions of a new request to the count. Raises RequestRefused (HTTP 429) if the queue is full."""
        if rows > self._concurrency + self._limit:
            raise RequestRefused(
                400,
                f"the request asks for {counted(rows, 'completion')}, but the server accepts at most "
                f"{self._concurrency + self._limit} at a time; send a smaller n or fewer prompts",
                parameter="n",
            )
        if self.rows + rows > self._concurrency + self._limit:
            raise RequestRefused(
                429,
                f"the queue is full: {max(0, self.rows - self._concurrency)} of at most "
                f"{counted(self._limit, 'completion')} are waiting, and the request asks for {rows} more; retry later",
                self.retry_after_s,
                code="queue_full",
            )
        self.rows += rows

    def release(self, rows: int, seconds: float | None) -> None:
        """Subtracts `rows` ended completions from the count of waiting and running ones.

        `seconds`: their duration, which enters the mean duration; None for completions that never ran.
        """
        self.rows -= rows
        if seconds is not None:
            self._mean_s += SMOOTHING * (seconds - self._mean_s)

    def current_load(self, running: int) -> EngineLoad:
        """Returns the engine's load, given the number of running completions; all other counted ones are waiting."""
        return EngineLoad(running, max(0, self.rows - running), self.retry_after_s)

    @property
    def retry_after_s(self) -> int:
        """Estimated seconds until about half of the counted completions have ended, from their mean duration."""
        return max(1, min(LONGEST_RETRY_S, math.ceil(self.rows * self._mean_s / self._concurrency / 2)))
