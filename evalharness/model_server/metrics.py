"""Prometheus metrics of the model server."""

import time
from collections import deque
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from evalharness.model_server.engine.job import JobOutcome
from evalharness.model_server.engine.protocol import EngineLoad

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SECONDS_PER_TOKEN = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
WINDOW_S = 10.0
"""Seconds over which the gauge of tokens per second is averaged."""


class ServerMetrics:
    """The model server's Prometheus metrics."""

    def __init__(self, load: Callable[[], EngineLoad]) -> None:
        self.registry = registry = CollectorRegistry()
        self._responses = Counter("evalharness_responses", "HTTP responses by status", ["code"], registry=registry)
        self._tokens = Counter("evalharness_tokens", "Tokens by kind: prompt, output", ["kind"], registry=registry)
        self._drafts = Counter(
            "evalharness_draft_tokens", "Drafted tokens by result: accepted, rejected", ["result"], registry=registry
        )
        self._passes = Counter(
            "evalharness_forward_passes", "Forward passes, summed over completions", registry=registry
        )
        self._cancelled = Counter(
            "evalharness_cancelled",
            "Requests whose client disconnected before the end of the answer",
            registry=registry,
        )
        self._ttft = _make_histogram(
            "ttft", "Seconds from a request's arrival to its first output token", SECONDS, registry
        )
        self._tpot = _make_histogram(
            "tpot", "Seconds per output token after the first one", SECONDS_PER_TOKEN, registry
        )
        self._total = _make_histogram(
            "latency", "Seconds from a request's arrival to the end of the completion", SECONDS, registry
        )
        for name, text, value in (
            ("rows_running", "Completions that are being generated", lambda: load().running),
            ("rows_waiting", "Completions that wait in the queue", lambda: load().waiting),
            ("tokens_per_second", f"Output tokens per second, mean of {WINDOW_S:g} s", self._tokens_per_second),
        ):
            Gauge(f"evalharness_{name}", text, registry=registry).set_function(value)
        self._recent: deque[tuple[float, int]] = deque()

    def count_response(self, status_code: int) -> None:
        """Counts an HTTP response by its status code."""
        self._responses.labels(str(status_code)).inc()

    def count_cancelled_request(self) -> None:
        """Counts a request whose client disconnected before the answer was complete."""
        self._cancelled.inc()

    def count_output_tokens(self, token_count: int) -> None:
        """Counts newly generated output tokens."""
        if token_count:
            self._tokens.labels("output").inc(token_count)
            self._recent.append((time.monotonic(), token_count))
            self._forget_old_token_counts()

    def record_outcome(self, outcome: JobOutcome) -> None:
        """Records latency and token counts of a finished completion."""
        self._tokens.labels("prompt").inc(outcome.prompt_tokens)
        self._passes.inc(outcome.forward_passes or 0)
        self._drafts.labels("accepted").inc(outcome.accepted_drafts or 0)
        self._drafts.labels("rejected").inc(outcome.rejected_drafts or 0)
        self._total.observe(outcome.total_s)
        if outcome.first_s is not None:
            self._ttft.observe(outcome.first_s)
            if outcome.output_tokens > 1:
                self._tpot.observe((outcome.total_s - outcome.first_s) / (outcome.output_tokens - 1))

    def render(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _tokens_per_second(self) -> float:
        self._forget_old_token_counts()
        return sum(tokens for _, tokens in self._recent) / WINDOW_S

    def _forget_old_token_counts(self) -> None:
        while self._recent and self._recent[0][0] < time.monotonic() - WINDOW_S:
            self._recent.popleft()


def _make_histogram(name: str, description: str, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(f"evalharness_{name}_seconds", description, buckets=buckets, registry=registry)
