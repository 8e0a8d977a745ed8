"""Who may submit how much: a bounded number of samples in all, and of each client. For one event loop's thread."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from evalharness.util.text import counted

SLOWEST_RETRY_S = 60


class Refused(Exception):
    """A submission that is not taken: an HTTP status, one line, and after how many seconds to try again, if ever."""

    def __init__(self, status: int, reason: str, retry_s: int | None = None):
        super().__init__(reason)
        self.status, self.reason, self.retry_s = status, reason, retry_s


class Admission:
    """Counts the samples that are waiting or in work."""

    def __init__(self, most: int, most_per_client: int, workers: int):
        self.most, self.most_per_client, self.workers = most, most_per_client, workers
        self.held = 0
        self.seconds = 0.1
        """What a sample has taken of late."""
        self._of_client: Counter[str] = Counter()

    @contextmanager
    def admit(self, client: str, samples: int) -> Iterator[None]:
        """Holds places for so many samples of a client. Raises Refused where there are not that many."""
        at_once = min(self.most, self.most_per_client)
        if samples > at_once:
            raise Refused(
                413, f"{counted(samples, 'sample')}: no more than {at_once} are taken at once; submit fewer at a time"
            )
        if self._of_client[client] + samples > self.most_per_client:
            already = self._of_client[client]
            raise Refused(
                429,
                f"{counted(already, 'sample')} of yours waiting, of {self.most_per_client}; try again later",
                self.retry_s,
            )
        if self.held + samples > self.most:
            raise Refused(503, f"{counted(self.held, 'sample')} waiting, of {self.most}; try again later", self.retry_s)
        self.held += samples
        self._of_client[client] += samples
        try:
            yield
        finally:
            self.held -= samples
            self._of_client[client] -= samples
            if not self._of_client[client]:
                del self._of_client[client]

    def took(self, seconds: float) -> None:
        """Learns how long a sample took."""
        self.seconds += 0.05 * (seconds - self.seconds)

    @property
    def retry_s(self) -> int:
        """When half of what waits should be done."""
        return max(1, min(SLOWEST_RETRY_S, math.ceil(self.held * self.seconds / self.workers / 2)))
