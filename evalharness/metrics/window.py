"""The steady window of a set of requests, and how much of each request's output fell into it."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.records import Completion

HELD = 0.1
"""A concurrency counts as reached if it was held for this share of the time; a moment's overlap is none."""


TOGETHER = 1e-3
"""Seconds within which requests end at one moment: those of a batch are noted one after the other."""


@dataclass(frozen=True)
class Span:
    """When a request was under way, in seconds on one clock, and its output within that time."""

    start: float
    first: float
    """When the first piece of output was there; `start` where nobody saw it."""
    end: float
    amount: float
    """All output: tokens or characters."""
    first_amount: float = 0.0
    """What came with the first piece."""

    def amount_within(self, low: float, high: float) -> float:
        """The output that came in low..high: the first piece at its moment, the rest evenly from then to the end."""
        found = self.first_amount if low < self.first <= high else 0.0
        rest = self.amount - self.first_amount
        if self.end > self.first:
            return found + rest * max(0.0, min(self.end, high) - max(self.first, low)) / (self.end - self.first)
        return found + (rest if low < self.end <= high else 0.0)


@dataclass(frozen=True)
class Window:
    """The steady part of the work."""

    start: float
    end: float
    seconds: float
    """Of the window, without the time in which nothing was under way."""
    concurrency: int
    """How many requests were under way at its two ends, and hardly ever more between them."""


def span(row: Completion, amount: float, first_amount: float | None) -> Span:
    """The span of a timed row. Without a first piece of known size, output comes evenly after the prompt's time."""
    start, total = row.started_at or 0.0, row.total_s or 0.0
    if row.first_output_s is None or first_amount is None:
        return Span(start, start + min(row.prefill_s or 0.0, total), start + total, amount)
    return Span(start, start + min(row.first_output_s, total), start + total, amount, min(first_amount, amount))


def steady_window(spans: Sequence[tuple[float, float]], after: float = float("-inf")) -> Window | None:
    """From when the concurrency first reaches its highest level till it last was there; None for no time at all.

    The level is the highest concurrency that was reached or exceeded for a tenth of the busy time. Nothing before
    `after` belongs to the window.
    """
    events = sorted(
        [(start, 1) for start, end in spans if end > start] + [(end, -1) for start, end in spans if end > start]
    )
    pieces: list[tuple[float, float, int]] = []
    under_way, since = 0, after
    for moment, step in events:
        if under_way and moment > max(since, after):
            pieces.append((max(since, after), moment, under_way))
        under_way, since = under_way + step, moment
    busy = sum(end - start for start, end, _ in pieces)
    if not busy:
        return None
    for level in sorted({count for *_, count in pieces}, reverse=True):
        held = [(start, end) for start, end, count in pieces if count >= level]
        if sum(end - start for start, end in held) >= HELD * busy:
            break
    low = held[0][0]
    high = max(end for _, end in spans if end <= held[-1][1] + TOGETHER)
    return Window(low, high, sum(end - start for start, end, _ in pieces if start >= low and end <= high), level)
