"""The steady window (the time in which the most requests are in progress), and the output that falls into it."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.records import Completion

MIN_SHARE = 0.1
"""A concurrency counts as reached where it lasted for this share of the busy time; a shorter overlap does not count."""
SAME_MOMENT_S = 1e-3
"""Requests whose ends differ by less (in seconds) count as ending together, as those of a batch do."""


@dataclass(frozen=True)
class RequestTimeline:
    """The times of one request (start, first output, end; in seconds) and its amount of output."""

    start: float
    first: float
    """When the first chunk of output arrived; `start` where that was not measured."""
    end: float
    amount: float
    """All output, in tokens or characters."""
    first_amount: float = 0.0
    """The output in the first chunk."""

    def output_amount_between(self, start: float, end: float) -> float:
        """Returns the amount of output between two times; output after the first chunk is taken as evenly spread."""
        amount = self.first_amount if start < self.first <= end else 0.0
        rest = self.amount - self.first_amount
        if self.end > self.first:
            overlap = max(0.0, min(self.end, end) - max(self.first, start))
            return amount + rest * overlap / (self.end - self.first)
        return amount + (rest if start < self.end <= end else 0.0)


@dataclass(frozen=True)
class SteadyWindow:
    """The steady window: the time span of a run in which the most requests were in progress at once."""

    start: float
    end: float
    seconds: float
    """The length of the window without the time in which no request was in progress."""
    concurrency: int
    """Requests in progress at both ends of the window, and rarely more between them."""


def make_request_timeline(
    completion: Completion, output_amount: float, first_chunk_amount: float | None
) -> RequestTimeline:
    """Returns a timed completion's start, first output and end, with its amount of output.

    Amounts of output are in tokens or characters; `first_chunk_amount` is that of the first chunk. If that is None,
    all output is taken as evenly spread over the time after the prefill.
    """
    start, total = completion.started_at or 0.0, completion.total_s or 0.0
    if completion.first_output_s is None or first_chunk_amount is None:
        return RequestTimeline(start, start + min(completion.prefill_s or 0.0, total), start + total, output_amount)
    first = start + min(completion.first_output_s, total)
    return RequestTimeline(start, first, start + total, output_amount, min(first_chunk_amount, output_amount))


def find_steady_window(
    request_spans: Sequence[tuple[float, float]], start_after: float = float("-inf")
) -> SteadyWindow | None:
    """Returns the time span from the first to the last moment of the highest concurrency; None without requests.

    `request_spans` are the (start, end) of each request, in seconds. The highest concurrency is the largest that was
    reached for at least a tenth of the busy time. The time before `start_after` is excluded.
    """
    events = sorted(
        [(start, 1) for start, end in request_spans if end > start]
        + [(end, -1) for start, end in request_spans if end > start]
    )
    pieces: list[tuple[float, float, int]] = []
    in_progress, since = 0, start_after
    for moment, step in events:
        if in_progress and moment > max(since, start_after):
            pieces.append((max(since, start_after), moment, in_progress))
        in_progress, since = in_progress + step, moment
    busy = sum(end - start for start, end, _ in pieces)
    if not busy:
        return None
    for level in sorted({count for *_, count in pieces}, reverse=True):
        at_level = [(start, end) for start, end, count in pieces if count >= level]
        if sum(end - start for start, end in at_level) >= MIN_SHARE * busy:
            break
    low = at_level[0][0]
    high = max(end for _, end in request_spans if end <= at_level[-1][1] + SAME_MOMENT_S)
    return SteadyWindow(low, high, sum(end - start for start, end, _ in pieces if start >= low and end <= high), level)
