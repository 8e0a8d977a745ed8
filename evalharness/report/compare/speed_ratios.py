"""Ratios of two runs' speeds, with 95 % intervals."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot

from evalharness.data.runs import Run
from evalharness.metrics.intervals import Interval, log_normal_interval
from evalharness.metrics.request_times import find_warmup_sample_keys, standard_error_of_log_tokens_per_s


@dataclass(frozen=True)
class SpeedRatio:
    """The ratio of two runs' speeds, second / first, in one measure such as tokens/s."""

    measure: str
    """What is measured, with its unit, such as "tokens/s"."""
    first: float
    second: float
    ci95: Interval | None
    """None where it cannot be estimated, such as for a single request."""

    @property
    def value(self) -> float:
        """The ratio: `second` / `first`."""
        return self.second / self.first


def speed_ratios(first_run: Run, second_run: Run) -> Iterator[SpeedRatio]:
    """Yields the ratio of two runs' speeds, second / first, for each measure that both runs have.

    The measures are tokens/s, tokens/s counted by a tokenizer common to all models, and characters/s. The
    confidence interval of the ratio of tokens/s treats the two runs as independent: the variances of the logarithms of
    the two speeds are added.
    """
    tokens = [run.speed.get("output_tokens_per_s") for run in (first_run, second_run)]
    if tokens[0] and tokens[1]:
        errors = [_standard_error_of_log_speed(first_run), _standard_error_of_log_speed(second_run)]
        ci95 = None
        if errors[0] is not None and errors[1] is not None:
            ci95 = log_normal_interval(tokens[1] / tokens[0], hypot(errors[0], errors[1]))
        yield SpeedRatio("tokens/s", tokens[0], tokens[1], ci95)
    common = [run.speed.get("common_tokens_per_s") for run in (first_run, second_run)]
    if common[0] and common[1] and first_run.speed.get("tokenizer") == second_run.speed.get("tokenizer"):
        yield SpeedRatio("tokens/s (common tokenizer)", common[0], common[1], None)
    characters = [run.speed.get("characters_per_s") for run in (first_run, second_run)]
    if characters[0] and characters[1]:
        yield SpeedRatio("characters/s", characters[0], characters[1], None)


def _standard_error_of_log_speed(run: Run) -> float | None:
    """Returns the standard error of log(tokens/s) of a run, computed without its warm-up requests."""
    timed = [row for row in run.completions() if row.total_s is not None and row.started_at is not None]
    warmup = find_warmup_sample_keys(timed) if timed else frozenset()
    return standard_error_of_log_tokens_per_s([completion for completion in timed if completion.key not in warmup])
