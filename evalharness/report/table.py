"""The table at the end of a run, from summaries. Two lines a row, so that it fits a terminal of 100 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

ABSENT = "-"


def summary_table(summaries: Sequence[Mapping[str, Any]], mean: str | None = None) -> Table:
    """One row per run, and with `mean` a row of that name with the mean of each rate over the runs.

    Columns that no run has a figure for are left out, but tokens/s, which is said to be absent.
    """
    rate_names = list(dict.fromkeys(name for summary in summaries for name in summary["metrics"]))
    timings = [name for name in ("latency_s", "first_output_s") if any(name in each["speed"] for each in summaries)]
    headings = {"latency_s": "latency", "first_output_s": "first output"}
    table = Table(show_edge=False, pad_edge=False)
    for name in ("task", "backend"):
        table.add_column(name, overflow="fold")
    for name in ("samples", *rate_names, "tokens/s", *(headings[name] for name in timings)):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("statuses", no_wrap=True)
    for summary in summaries:
        table.add_row(*_row(summary, rate_names, timings))
    if mean and len(summaries) > 1:
        cells = [_mean(summaries, name) for name in rate_names]
        table.add_section()
        table.add_row(f"mean of {mean}", "", "", *cells)
    return table


def _row(summary: Mapping[str, Any], rate_names: Sequence[str], timings: Sequence[str]) -> list[str]:
    speed = summary["speed"]
    return [
        f"{summary['task']}\n{conditions(summary)}",
        summary["backend"] + (f"\n{summary['model']}" if summary["model"] else ""),
        f"{summary['samples']}\n{summary['problems']} problems",
        *(_rate(summary["metrics"].get(name)) for name in rate_names),
        _number(speed.get("output_tokens_per_s")),
        *(_percentiles(speed.get(name)) for name in timings),
        "\n".join(f"{count} {status}" for status, count in summary["statuses"].items()),
    ]


def conditions(summary: Mapping[str, Any]) -> str:
    """What keeps a row from being compared with another: version, recipe, split, and data that are not the official."""
    parts = [summary["version"], summary["recipe"], *([f"split {summary['split']}"] if summary["split"] else [])]
    if not summary["official_data"] and not summary["task"].endswith("-sample"):
        parts.append("OTHER DATA")
    return ", ".join(parts)


def _rate(rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return ABSENT
    low, high = rate["ci95"]
    return f"{rate['value']:.1%}\n[{100 * low:.1f}, {100 * high:.1f}]"


def _mean(summaries: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [summary["metrics"][name]["value"] for summary in summaries if name in summary["metrics"]]
    return f"{sum(values) / len(values):.1%}" if len(values) == len(summaries) else ABSENT


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"


def _percentiles(found: Mapping[str, float] | None) -> str:
    return "\n".join(f"{rank} {seconds:.2f} s" for rank, seconds in found.items()) if found else ABSENT
