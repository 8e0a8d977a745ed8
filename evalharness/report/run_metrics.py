"""The figures that reports show of a run: pass rate, speed, and the conditions under which it was measured."""

from dataclasses import dataclass
from typing import Any

from evalharness.data.run_types import Speed
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.metrics.intervals import Interval
from evalharness.util.text import counted

UNKNOWN_HARDWARE = "hardware not stated"
MIXED_HARDWARE = "mixed hardware"
SPEEDS = ("aggregate", "steady", "request", "common")
"""The kinds of tokens/s that a report can show, by the names that `--speed` takes; see `tokens_per_s_of`."""


@dataclass(frozen=True)
class RateEstimate:
    """A pass rate with its 95 % interval, as fractions; without an interval, low and high equal the value."""

    value: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether the 95 % interval is known."""
        return self.low < self.high

    def value_low_high(self) -> tuple[float, float, float]:
        """Returns the rate and both ends of its interval, as fractions."""
        return self.value, self.low, self.high


def resolve_speed_kind(requested_kind: str, shows_published_results: bool) -> str:
    """Returns the kind of tokens/s that a report shows: `requested_kind` (the value of --speed), or the default.

    The default is "request" if published speeds, which are those of single requests, are shown too; otherwise it is
    "aggregate" (over the whole run). Raises UserError for an unknown kind.
    """
    if requested_kind and requested_kind not in SPEEDS:
        raise UserError(f"--speed {requested_kind} is unknown; give one of {', '.join(SPEEDS)}")
    return requested_kind or ("request" if shows_published_results else "aggregate")


def batch_or_concurrency_text(run: Run) -> str:
    """Returns the batch size or concurrency of a run as text, such as "batch 8"; "" if neither is known."""
    speed = run.speed
    concurrency = steady.get("concurrency") if (steady := speed.get("steady")) else None
    parts = [
        f"batch {speed['batch']}" if "batch" in speed else "",
        f"concurrency {concurrency}" if concurrency and "batch" not in speed else "",
    ]
    return ", ".join(filter(None, parts))


def pass_rate_of(run: Run, metric: str = "pass@1") -> RateEstimate | None:
    """Returns a run's rate `metric`, such as pass@1, with its interval; None if the run does not have this rate."""
    rate = run.summary.get("metrics", {}).get(metric)
    return RateEstimate(rate["value"], rate["ci95"][0], rate["ci95"][1]) if rate else None


def tokens_per_s_of(run: Run, speed_kind: str = "aggregate") -> float | None:
    """Returns a run's tokens/s of the given kind; None if it was not measured, or is 0.

    "aggregate" is all output tokens / generation seconds; "steady" is the same within the time window in which the most
    requests were in progress; "request" is the median over requests of output tokens / latency; "common" is
    "aggregate" with tokens counted by a tokenizer common to all models.
    """
    speed = run.speed
    if speed_kind == "steady":
        value = steady.get("output_tokens_per_s") if (steady := speed.get("steady")) else None
    elif speed_kind == "request":
        value = speed.get("output_tokens_per_s_per_request")
    elif speed_kind == "common":
        value = speed.get("common_tokens_per_s")
    else:
        value = speed.get("output_tokens_per_s")
    return float(value) if value else None


def tokens_per_s_interval_of(run: Run, speed_kind: str = "aggregate") -> Interval | None:
    """Returns the 95 % interval of a run's tokens/s; None if it is unknown, as for all kinds except "aggregate"."""
    ends = run.speed.get("output_tokens_per_s_ci95")
    return (float(ends[0]), float(ends[1])) if ends and speed_kind == "aggregate" else None


def measurement_conditions_text(run: Run) -> str:
    """Returns a run's measurement conditions as text: hardware, clocks, dtype, batch, concurrency; "" if unknown."""
    speed = run.speed
    conditions: dict[str, Any] = speed.get("conditions", {})
    endpoint = f"endpoint {conditions['endpoint']}" if "endpoint" in conditions else ""
    clocks = conditions.get("clocks")
    concurrency = steady.get("concurrency") if (steady := speed.get("steady")) else None
    parts = [
        (conditions.get("hardware") or endpoint)
        + (f" x {counted(conditions['cores'], 'core')}" if "cores" in conditions else ""),
        f"{clocks:g} MHz" if isinstance(clocks, int | float) else clocks,
        f"{conditions['copies']} copies" if "copies" in conditions else "",
        conditions.get("dtype"),
        f"batch {speed['batch']}" if "batch" in speed else "",
        f"{conditions['merged_runs']} merged runs, possibly in parallel" if "merged_runs" in conditions else "",
        f"concurrency {concurrency}" if concurrency else "",
        changed_measurement_conditions_text(speed),
    ]
    return ", ".join(filter(None, parts))


def changed_measurement_conditions_text(speed: Speed) -> str:
    """Returns a text about measurement conditions that changed when a run was resumed; "" if none changed."""
    mixed: dict[str, list[Any]] = speed.get("conditions", {}).get("mixed", {})
    changes = [f"{key.replace('_', ' ')} {', then '.join(map(str, values))}" for key, values in mixed.items()]
    return f"mixed conditions ({'; '.join(changes)})" if changes else ""


def hardware_text(run: Run) -> str:
    """Returns a run's hardware as a short text for an axis label; "hardware not stated" if it is not known.

    If the speed is that of several copies of the backend, or of several merged runs, the text also says how many.
    """
    conditions: dict[str, Any] = run.speed.get("conditions", {})
    copies = f" ({conditions['copies']} copies)" if "copies" in conditions else ""
    merged = f" ({conditions['merged_runs']} merged runs)" if "merged_runs" in conditions else ""
    hardware = MIXED_HARDWARE if "hardware" in conditions.get("mixed", {}) else conditions.get("hardware")
    return str(hardware or UNKNOWN_HARDWARE) + copies + merged


def explain_incompleteness(run: Run) -> str:
    """Returns why a run is incomplete, such as "only the first 20 of 164 problems"; "" if it is complete."""
    summary = run.summary
    limit = run.config.get("samples", {}).get("limit")
    failed = summary.get("statuses", {}).get("infrastructure", 0)
    missing = summary.get("asked", 0) - summary.get("samples", 0) + failed
    covered = summary.get("problems", 0)
    total = summary.get("problems_of_task", covered)
    if limit is not None and limit <= covered:
        return "only the first " + (
            f"{covered} of {total} problems" if covered < total else counted(covered, "problem")
        )
    if covered < total:
        return f"only {covered} of {total} problems"
    return f"{missing} of {summary['asked']} samples without a verdict" if missing > 0 else ""
