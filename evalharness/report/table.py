"""The table at the end of a run, from summaries."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

ABSENT = "-"


def summary_table(summaries: Sequence[Mapping[str, Any]], mean: str | None = None) -> Table:
    """One row per run, and with `mean` a row of that name with the mean of each rate over the runs."""
    rate_names = list(dict.fromkeys(name for summary in summaries for name in summary["metrics"]))
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("task", "backend", "problems", "samples"):
        table.add_column(heading, justify="left" if heading in ("task", "backend") else "right", no_wrap=True)
    for name in (*rate_names, "tokens/s", "latency p50/p90/p99", "first output p50"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("statuses", overflow="fold")
    for summary in summaries:
        table.add_row(*_row(summary, rate_names))
    if mean and len(summaries) > 1:
        cells = [_mean(summaries, name) for name in rate_names]
        table.add_section()
        table.add_row(f"mean of {mean}", "", "", "", *cells, *[""] * 4)
    return table


def _row(summary: Mapping[str, Any], rate_names: Sequence[str]) -> list[str]:
    speed = summary["speed"]
    statuses = ", ".join(f"{count} {status}" for status, count in summary["statuses"].items())
    return [
        label(summary),
        summary["backend"] + (f" {summary['model']}" if summary["model"] else ""),
        str(summary["problems"]),
        str(summary["samples"]),
        *(_rate(summary["metrics"].get(name)) for name in rate_names),
        _number(speed.get("output_tokens_per_s"), ".1f"),
        _percentiles(speed.get("latency_s")),
        _number(speed.get("first_output_s", {}).get("p50"), ".2f", " s"),
        statuses,
    ]


def label(summary: Mapping[str, Any]) -> str:
    """The task with all that keeps it from being compared with another row: version, recipe, split, other data."""
    parts = [summary["version"], summary["recipe"], *([f"split {summary['split']}"] if summary["split"] else [])]
    if not summary["official_data"] and not summary["task"].endswith("-sample"):
        parts.append("OTHER DATA")
    return f"{summary['task']} ({', '.join(parts)})"


def _rate(rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return ABSENT
    low, high = rate["ci95"]
    return f"{rate['value']:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def _mean(summaries: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [summary["metrics"][name]["value"] for summary in summaries if name in summary["metrics"]]
    return f"{sum(values) / len(values):.1%}" if len(values) == len(summaries) else ABSENT


def _number(value: float | None, form: str, unit: str = "") -> str:
    return ABSENT if value is None else f"{value:{form}}{unit}"


def _percentiles(found: Mapping[str, float] | None) -> str:
    return ABSENT if not found else "/".join(f"{found[rank]:.2f}" for rank in ("p50", "p90", "p99")) + " s"
