"""What the reports show of a run: its rate, its speed and what keeps it from being compared with another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.report.runs import RunRecord
from evalharness.util.text import counted

SPEEDS = {
    "aggregate": "output_tokens_per_s",
    "steady": "steady",
    "request": "output_tokens_per_s_per_request",
    "common": "common_tokens_per_s",
}
"""Which tokens/s a report shows, by the name of its option, and where the summary has it."""


@dataclass(frozen=True)
class Rate:
    """A fraction with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def triple(self) -> tuple[float, float, float]:
        return self.value, self.low, self.high


def rate_of(run: RunRecord, metric: str = "pass@1") -> Rate | None:
    """The run's rate; None where it has none."""
    found = run.summary.get("metrics", {}).get(metric)
    return Rate(found["value"], *found["ci95"]) if found else None


def speed_of(run: RunRecord, kind: str = "aggregate") -> float | None:
    """The run's tokens/s of that kind; None where it was not measured."""
    found = run.summary.get("speed", {}).get(SPEEDS[kind])
    value = found.get("output_tokens_per_s") if isinstance(found, Mapping) else found
    return float(value) if value else None


def speed_interval(run: RunRecord, kind: str = "aggregate") -> tuple[float, float] | None:
    """95 % interval of the aggregate tokens/s, and of no other kind."""
    found = run.summary.get("speed", {}).get("output_tokens_per_s_ci95")
    return (float(found[0]), float(found[1])) if found and kind == "aggregate" else None


def speed_conditions(run: RunRecord) -> str:
    """What the speed holds for, in words: hardware, clocks, precision, how many at once. Empty if nothing is known."""
    speed: Mapping[str, Any] = run.summary.get("speed", {})
    held = speed.get("conditions", {})
    hardware = held.get("hardware") or (f"endpoint {held['endpoint']}" if "endpoint" in held else "")
    clocks = held.get("clocks")
    parts = [
        hardware + (f" x {counted(held['cores'], 'core')}" if "cores" in held else ""),
        f"{clocks:g} MHz" if isinstance(clocks, int | float) else clocks,
        f"{held['copies']} copies" if "copies" in held else "",
        held.get("dtype"),
        f"batch {speed['batch']}" if "batch" in speed else "",
        f"{held['merged_runs']} merged runs, maybe side by side" if "merged_runs" in held else "",
        f"concurrency {steady}" if (steady := speed.get("steady", {}).get("concurrency")) else "",
    ]
    return ", ".join(filter(None, parts))


def hardware_of(run: RunRecord) -> str:
    """The hardware in a few words, for an axis; "hardware not stated" where nobody knows.

    It is that of one copy and of one machine, though the speed may be that of several at once, which is said.
    """
    held = run.summary.get("speed", {}).get("conditions", {})
    copies = f" ({held['copies']} copies)" if "copies" in held else ""
    merged = f" ({held['merged_runs']} merged runs)" if "merged_runs" in held else ""
    return str(held.get("hardware") or "hardware not stated") + copies + merged


def shortfall(run: RunRecord) -> str:
    """Why the run does not cover its task; empty if it does."""
    summary, config = run.summary, run.manifest.get("config", {})
    limit = config.get("samples", {}).get("limit")
    failed = summary.get("statuses", {}).get("infrastructure", 0)
    lacking = summary.get("asked", 0) - summary.get("samples", 0) + failed
    covered, total = summary.get("problems", 0), summary.get("problems_of_task", summary.get("problems", 0))
    if limit is not None and limit <= covered:
        return "only the first " + (
            f"{covered} of {total} problems" if covered < total else counted(covered, "problem")
        )
    if covered < total:
        return f"only {covered} of {total} problems"
    return f"{lacking} of {summary['asked']} samples without a verdict" if lacking > 0 else ""


def standing(run: RunRecord) -> str:
    """Which table a run belongs in: `full`, `sample`, or `other data`."""
    if str(run.summary.get("task", "")).endswith("-sample"):
        return "sample"
    return "full" if run.summary.get("official_data", True) else "other data"
