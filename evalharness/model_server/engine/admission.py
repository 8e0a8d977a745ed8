"""Admission control: limits the completions that wait for the engine, and estimates when to retry."""

import math

from evalharness.model_server.engine.protocol import EngineLoad
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.text import counted

LONGEST_RETRY_S = 60
SMOOTHING = 0.1
"""Weight of the newest completion in the moving average of durations."""


class AdmissionControl:
    """Counts an engine's running and waiting completions; refuses a request if too many would wait with it.

    Not thread-safe: use it in one event loop.
    """

    def __init__(self, concurrency: int, max_waiting: int) -> None:
        """`concurrency` completions run at a time and `max_waiting` more may wait."""
        self._concurrency, self._max_waiting = concurrency, max_waiting
        self.completions = 0
        """Number of waiting and running completions."""
        self._mean_s = 1.0

    def admit(self, completion_count: int) -> None:
        """Adds the completions of a new request to the count.

        Raises RequestRefused: HTTP 429 if the queue is full, 400 if the request is too large even for an idle engine.
        """
        if completion_count > self._concurrency + self._max_waiting:
            raise RequestRefused(
                400,
                f"the request asks for {counted(completion_count, 'completion')}, but the server accepts at most "
                f"{self._concurrency + self._max_waiting} at a time; send a smaller n or fewer prompts",
                parameter="n",
            )
        if self.completions + completion_count > self._concurrency + self._max_waiting:
            raise RequestRefused(
                429,
                f"the queue is full: {max(0, self.completions - self._concurrency)} of at most "
                f"{counted(self._max_waiting, 'completion')} are waiting, and the request asks for {completion_count} "
                "more; retry later",
                self.retry_after_s,
                code="queue_full",
            )
        self.completions += completion_count

    def release(self, completion_count: int, duration_s: float | None) -> None:
        """Subtracts `completion_count` ended completions from the count of waiting and running ones.

        `duration_s`: seconds from their arrival to their end, which update the mean duration; None if they never ran.
        """
        self.completions -= completion_count
        if duration_s is not None:
            self._mean_s += SMOOTHING * (duration_s - self._mean_s)

    def current_load(self, running_count: int) -> EngineLoad:
        """Returns the engine's load. `running_count` of the counted completions are running, the others are waiting."""
        return EngineLoad(running_count, max(0, self.completions - running_count), self.retry_after_s)

    @property
    def retry_after_s(self) -> int:
        """Estimated seconds until half of the counted completions have ended, after which a client may retry."""
        return max(1, min(LONGEST_RETRY_S, math.ceil(self.completions * self._mean_s / self._concurrency / 2)))
