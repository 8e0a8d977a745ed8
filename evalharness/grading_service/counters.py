"""The service's Prometheus metrics."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Counters:
    """What the service counts, in a registry of its own. `held()` is how many samples are waiting or in work."""

    def __init__(self, held: Callable[[], int]):
        self.registry = CollectorRegistry()
        self._answers = Counter("evalharness_answers", "HTTP answers by status", ["code"], registry=self.registry)
        self._verdicts = Counter("evalharness_verdicts", "Verdicts", ["task", "status"], registry=self.registry)
        self._seconds = Histogram(
            "evalharness_sample_seconds",
            "From a sample's submission to its verdict",
            ["task"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._given_up = Counter(
            "evalharness_given_up", "Samples whose client left before their verdict", registry=self.registry
        )
        Gauge("evalharness_samples_held", "Samples waiting or in work", registry=self.registry).set_function(held)

    def answered(self, code: int) -> None:
        """An HTTP answer was begun."""
        self._answers.labels(str(code)).inc()

    def judged(self, task: str, status: str, seconds: float) -> None:
        """A verdict came."""
        self._verdicts.labels(task, status).inc()
        self._seconds.labels(task).observe(seconds)

    def given_up(self, samples: int) -> None:
        """A client left."""
        self._given_up.inc(samples)

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self.registry)
