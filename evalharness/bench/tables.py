"""What `evalharness bench` prints: a table with one row per concurrency, and remarks below it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evalharness.bench.levels import ConcurrencyResult
from evalharness.util.text import counted

ABSENT = "-"


def make_result_table(levels: Sequence[ConcurrencyResult]) -> Table:
    """Returns the result table of `bench`: one row per concurrency; columns without any value are omitted."""
    columns: dict[str, list[str]] = {
        "concurrency": [str(level.concurrency) for level in levels],
        "requests": [str(level.speed["requests"]) for level in levels],
        "tokens/s\nsteady": [
            _format_number(level.speed.get("steady", {}).get("output_tokens_per_s")) for level in levels
        ],
        "tokens/s\nall": [_format_number(level.speed.get("output_tokens_per_s")) for level in levels],
        "per request\np50 tokens/s": [
            _format_number(level.speed.get("output_tokens_per_s_per_request")) for level in levels
        ],
        "common\ntokens/s": [_format_number(level.speed.get("common_tokens_per_s")) for level in levels],
        "TTFT\np50/p90/p99 s": [_format_percentiles(level.speed.get("first_output_s"), 2) for level in levels],
        "TPOT\np50/p90/p99 ms": [
            _format_percentiles(level.speed.get("time_per_output_token_s"), 1, 1000) for level in levels
        ],
        "latency\np50/p90/p99 s": [_format_percentiles(level.speed.get("latency_s"), 2) for level in levels],
        "tokens/\nforward": [_format_number(level.speed.get("tokens_per_forward"), 2) for level in levels],
        "prefill\nshare": [_format_number(level.speed.get("prefill_share"), 2) for level in levels],
        "cost per\nproblem": [_format_number(level.cost_per_problem, 6) for level in levels],
    }
    shown = {name: cells for name, cells in columns.items() if any(cell != ABSENT for cell in cells)}
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    return table


def make_result_remarks(levels: Sequence[ConcurrencyResult]) -> list[str]:
    """Returns the lines printed below the table: token counts and failures of each concurrency, then the hardware."""
    lines = []
    for level in levels:
        warmup = counted(level.speed["warmup_requests"], "warm-up request")
        parts = [f"concurrency {level.concurrency}: {warmup} excluded"]
        for name, percentiles in (("prompt", level.prompt_tokens), ("output", level.output_tokens)):
            if percentiles:
                parts.append(f"{name} tokens p50 {percentiles['p50']:.0f}, p99 {percentiles['p99']:.0f}")
        parts.append(f"{level.at_limit} reached the token limit")
        if level.failed:
            parts.append(f"{level.failed} FAILED and excluded")
        if level.untimed:
            parts.append(f"{level.untimed} without timings and excluded")
        lines.append("; ".join(parts))
    conditions = [level.speed.get("conditions", {}) for level in levels]
    common = ", ".join(
        f"{key} {value}"
        for key, value in conditions[0].items()
        if key not in ("concurrency", "batch_size") and all(other.get(key) == value for other in conditions)
    )
    return [*lines, f"measured on: {common or 'hardware not stated'}"]


def _format_number(value: float | None, decimals: int = 1) -> str:
    return ABSENT if value is None else f"{value:.{decimals}f}"


def _format_percentiles(percentiles: Mapping[str, Any] | None, decimals: int, factor: float = 1.0) -> str:
    return "/".join(f"{factor * value:.{decimals}f}" for value in percentiles.values()) if percentiles else ABSENT
