"""Admission control of the grading service: limits the pending samples, in total and per client."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from evalharness.util.http.refusals import RequestRefused
from evalharness.util.text import counted

LONGEST_RETRY_S = 60
SMOOTHING = 0.05
"""Weight of the newest sample in the exponential moving average of grading times."""


class AdmissionControl:
    """Limits the number of pending samples (waiting or running) in the grading service. Not thread-safe."""

    def __init__(self, limit: int, limit_per_client: int, workers: int):
        self.limit, self.limit_per_client, self.workers = limit, limit_per_client, workers
        self.pending = 0
        self.mean_s = 0.1
        """Moving average of the seconds that grading a sample takes."""
        self._pending_of: Counter[str] = Counter()

    @contextmanager
    def admit(self, client_address: str, sample_count: int) -> Iterator[None]:
        """Counts a client's samples as pending in the `with` block. Raises RequestRefused if a limit is exceeded."""
        largest = min(self.limit, self.limit_per_client)
        if sample_count > largest:
            raise RequestRefused(
                413,
                f"a submission may have at most {counted(largest, 'sample')}, and this one has {sample_count}; "
                "split it into smaller submissions",
            )
        if self._pending_of[client_address] + sample_count > self.limit_per_client:
            raise RequestRefused(
                429,
                f"this client has {counted(self._pending_of[client_address], 'pending sample')} and submits "
                f"{sample_count} more, "
                f"above the limit of {self.limit_per_client} per client; retry later",
                self.retry_after_s,
            )
        if self.pending + sample_count > self.limit:
            raise RequestRefused(
                503,
                f"the service has {counted(self.pending, 'pending sample')} and this submission has {sample_count} "
                f"more, above the limit of {self.limit}; retry later",
                self.retry_after_s,
            )
        self.pending += sample_count
        self._pending_of[client_address] += sample_count
        try:
            yield
        finally:
            self.pending -= sample_count
            self._pending_of[client_address] -= sample_count
            if not self._pending_of[client_address]:
                del self._pending_of[client_address]

    def record_grading_time(self, seconds: float) -> None:
        """Includes the grading time of one sample, in seconds, in the moving average."""
        self.mean_s += SMOOTHING * (seconds - self.mean_s)

    @property
    def retry_after_s(self) -> int:
        """The value of the header Retry-After: seconds until about half of the pending samples are graded."""
        return max(1, min(LONGEST_RETRY_S, math.ceil(self.pending * self.mean_s / self.workers / 2)))
