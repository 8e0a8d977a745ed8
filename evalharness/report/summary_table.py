"""The table at the end of a run, from summaries. Two lines a row, so that it fits a terminal of 100 columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evalharness.util.text import counted

ABSENT = "-"


def summary_table(summaries: Sequence[Mapping[str, Any]], mean: str | None = None) -> Table:
    """One row per run, and with `mean` a row of that name with the mean of each rate over the runs.

    The column latency is left out where no run was timed; tokens/s is then said to be absent.
    """
    rate_names = list(dict.fromkeys(name for summary in summaries for name in summary["metrics"]))
    timed = any("latency_s" in summary["speed"] for summary in summaries)
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    for name, least in (("task", 21), ("backend", 9), ("samples", 9)):
        table.add_column(name, overflow="fold", min_width=least)
    for name in (*rate_names, "tokens/s", *(["latency"] if timed else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for summary in summaries:
        table.add_row(*_row(summary, rate_names, timed), end_section=len(summaries) > 1)
    if mean and len(summaries) > 1:
        table.add_row(f"mean of {mean}", "", "", *(_mean(summaries, name) for name in rate_names))
    return table


def facet_tables(summaries: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    """A table for each facet of each run whose problems have some, such as pass@1 by month."""
    for summary in summaries:
        for facet, kinds in summary.get("facets", {}).items():
            rate_names = list(dict.fromkeys(name for kind in kinds.values() for name in kind["metrics"]))
            table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, title=f"{summary['task']} by {facet}")
            for name in (facet, "problems", *rate_names):
                table.add_column(name, justify="left" if name == facet else "right", no_wrap=True, min_width=9)
            for name, kind in kinds.items():
                rates = (_rate(kind["metrics"].get(rate)).replace("\n", " ") for rate in rate_names)
                table.add_row(name, str(kind["problems"]), *rates)
            yield table


def _row(summary: Mapping[str, Any], rate_names: Sequence[str], timed: bool) -> list[str]:
    speed = summary["speed"]
    return [
        f"{summary['task']}\n{conditions(summary)}",
        summary["backend"] + (f"\n{summary['model']}" if summary["model"] else ""),
        "\n".join([_size(summary), *(f"{count} {status}" for status, count in summary["statuses"].items())]),
        *(_rate(summary["metrics"].get(name)) for name in rate_names),
        _number(speed.get("output_tokens_per_s")),
        *([_latency(speed)] if timed else []),
    ]


def _size(summary: Mapping[str, Any]) -> str:
    """Samples, and problems where they are not as many, or not all that the run could have had."""
    problems, total = summary["problems"], summary.get("problems_of_task", summary["problems"])
    if problems < total:
        return f"{summary['samples']}\n{problems} of {total} problems"
    return str(summary["samples"]) + (f"\n{counted(problems, 'problem')}" if problems != summary["samples"] else "")


def conditions(summary: Mapping[str, Any]) -> str:
    """What keeps a row from being compared with another.

    Version, recipe, split and the task's own options such as a window of time; of an infilled middle also how its
    length came about; what has to be known of the version, and data that are not the official.
    """
    parts = [summary["version"], summary["recipe"]]
    parts += [f"middle {summary['middle']}"] if "middle" in summary else []
    parts += [f"split {summary['split']}"] if summary["split"] else []
    parts += [f"{name} {value}" for name, value in summary.get("options", {}).items()]
    parts += [summary["note"]] if summary.get("note") else []
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


def _latency(speed: Mapping[str, Any]) -> str:
    """Percentiles of the whole request, and the median time to the first output where it was measured."""
    lines = [f"{rank} {seconds:.2f} s" for rank, seconds in speed.get("latency_s", {}).items()]
    if "first_output_s" in speed:
        lines.append(f"first {speed['first_output_s']['p50']:.2f} s")
    return "\n".join(lines) or ABSENT
