"""The table of results that is printed at the end of a run, from summaries; it fits a terminal of 100 columns."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evalharness.data.run_types import PassRate, Speed, Summary
from evalharness.report.answer_remarks import (
    abnormal_answer_remarks,
    missing_answer_or_verdict_remarks,
    short_abnormal_answer_remarks,
    token_limit_text,
)
from evalharness.report.run_metrics import changed_measurement_conditions_text
from evalharness.report.task_variant import settings_that_affect_pass_rates
from evalharness.util.text import counted

ABSENT = "-"


def make_summary_table(summaries: Sequence[Summary], task_group: str | None = None) -> Table:
    """Returns a table of results with one row per run, and, if `task_group` is given, a last row with the mean rates.

    The column of the end-to-end latency is omitted if no run was timed.
    """
    rate_names = list(dict.fromkeys(name for summary in summaries for name in summary["metrics"]))
    timed = any("latency_s" in summary["speed"] for summary in summaries)
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    for name, min_width in (("task", 21), ("backend", 9), ("samples", 9)):
        table.add_column(name, overflow="fold", min_width=min_width)
    for name in (*rate_names, "tokens/s", *(["E2E latency"] if timed else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for summary in summaries:
        table.add_row(*_make_table_row(summary, rate_names, timed), end_section=len(summaries) > 1)
    if task_group and len(summaries) > 1:
        table.add_row(f"mean of {task_group}", "", "", *(_format_mean_rate(summaries, name) for name in rate_names))
    return table


def make_table_remarks(summaries: Sequence[Summary]) -> list[str]:
    """Returns remarks to print below the table of results: on abnormal answers and changed measurement conditions."""
    return [f"{summary['task']}: {remark}" for summary in summaries for remark in _make_run_remarks(summary)]


def _make_run_remarks(summary: Summary) -> list[str]:
    mixed = changed_measurement_conditions_text(summary["speed"])
    return [
        *abnormal_answer_remarks(summary),
        *missing_answer_or_verdict_remarks(summary),
        *([f"speed of {mixed}"] if mixed else []),
    ]


def make_facet_tables(summaries: Sequence[Summary]) -> Iterator[Table]:
    """Yields tables of each run's pass rates by problem category (facet), such as pass@1 by month."""
    for summary in summaries:
        for facet, kinds in summary.get("facets", {}).items():
            rate_names = list(dict.fromkeys(name for kind in kinds.values() for name in kind["metrics"]))
            table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, title=f"{summary['task']} by {facet}")
            for name in (facet, "problems", *rate_names):
                table.add_column(name, justify="left" if name == facet else "right", no_wrap=True, min_width=9)
            for name, kind in kinds.items():
                rates = (_format_rate(kind["metrics"].get(rate)).replace("\n", " ") for rate in rate_names)
                table.add_row(name, str(kind["problems"]), *rates)
            yield table


def _make_table_row(summary: Summary, rate_names: Sequence[str], has_latency_column: bool) -> list[str]:
    speed = summary["speed"]
    return [
        "\n".join(filter(None, [summary["task"], settings_that_affect_pass_rates(summary), token_limit_text(summary)])),
        summary["backend"] + (f"\n{summary['model']}" if summary["model"] else ""),
        "\n".join([_format_sample_count(summary), *_format_outcome_counts(summary)]),
        *(_format_rate(summary["metrics"].get(name)) for name in rate_names),
        _format_tokens_per_s(speed.get("output_tokens_per_s"))
        + ("\n(mixed)" if changed_measurement_conditions_text(speed) else ""),
        *([_format_latency(speed)] if has_latency_column else []),
    ]


def _format_outcome_counts(summary: Summary) -> list[str]:
    """Returns counts of a run's samples as texts, such as "3 failed" or "2 empty", by verdict and kind of answer."""
    counts = [f"{count} {status}" for status, count in summary["statuses"].items()]
    without_code = summary.get("extraction", {}).get("nothing found", 0)
    return [
        *counts,
        *([f"{without_code} without code"] if without_code else []),
        *short_abnormal_answer_remarks(summary),
    ]


def _format_sample_count(summary: Summary) -> str:
    """Returns a run's number of samples as text.

    The number of problems is added if it is not the same, or if the run does not cover all problems of its task.
    """
    problems, total = summary["problems"], summary.get("problems_of_task", summary["problems"])
    if problems < total:
        return f"{summary['samples']}\n{problems} of {total} problems"
    return str(summary["samples"]) + (f"\n{counted(problems, 'problem')}" if problems != summary["samples"] else "")


def _format_rate(rate: PassRate | None) -> str:
    if rate is None:
        return ABSENT
    low, high = rate["ci95"]
    return f"{rate['value']:.1%}\n[{100 * low:.1f}, {100 * high:.1f}]"


def _format_mean_rate(summaries: Sequence[Summary], rate_name: str) -> str:
    values = [summary["metrics"][rate_name]["value"] for summary in summaries if rate_name in summary["metrics"]]
    return f"{sum(values) / len(values):.1%}" if len(values) == len(summaries) else ABSENT


def _format_tokens_per_s(tokens_per_s: float | None) -> str:
    return ABSENT if tokens_per_s is None else f"{tokens_per_s:.1f}"


def _format_latency(speed: Speed) -> str:
    """Returns text lines with a run's end-to-end latency percentiles, and its median TTFT if it was measured."""
    lines = [f"{rank} {seconds:.2f} s" for rank, seconds in speed.get("latency_s", {}).items()]
    if "first_output_s" in speed:
        lines.append(f"TTFT {speed['first_output_s']['p50']:.2f} s")
    return "\n".join(lines) or ABSENT
