"""Prometheus metrics of the grading service."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class ServiceMetrics:
    """The Prometheus metrics of the grading service.

    `pending` is a function that returns the number of waiting or running samples.
    """

    def __init__(self, pending: Callable[[], int]):
        self.registry = CollectorRegistry()
        self._responses = Counter("evalharness_answers", "HTTP responses by status", ["code"], registry=self.registry)
        self._verdicts = Counter(
            "evalharness_verdicts", "Verdicts by task and status", ["task", "status"], registry=self.registry
        )
        self._latency = Histogram(
            "evalharness_sample_seconds",
            "Seconds from a sample's submission to its verdict",
            ["task"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._abandoned = Counter(
            "evalharness_given_up", "Samples whose client disconnected before their verdict", registry=self.registry
        )
        gauge = Gauge("evalharness_samples_held", "Samples that are waiting or running", registry=self.registry)
        gauge.set_function(pending)

    def count_response(self, status_code: int) -> None:
        """Counts an HTTP response by its status code."""
        self._responses.labels(str(status_code)).inc()

    def count_verdict(self, task_name: str, status: str, latency_s: float) -> None:
        """Counts a verdict under its task and status, and records its latency in seconds."""
        self._verdicts.labels(task_name, status).inc()
        self._latency.labels(task_name).observe(latency_s)

    def count_abandoned_samples(self, sample_count: int) -> None:
        """Counts samples whose client disconnected before their verdict."""
        self._abandoned.inc(sample_count)

    def render(self) -> bytes:
        """Returns all metrics of the service in Prometheus' text format."""
        return generate_latest(self.registry)
