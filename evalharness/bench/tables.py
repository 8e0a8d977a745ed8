"""What `evalharness bench` prints: a table with one row per concurrency, and remarks below it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evalharness.bench.levels import LevelResult
from evalharness.util.text import counted

ABSENT = "-"


def level_table(levels: Sequence[LevelResult]) -> Table:
    """Returns the result table of `bench`, with one row per concurrency, and without columns that have no value."""
    columns: dict[str, list[str]] = {
        "concurrency": [str(level.concurrency) for level in levels],
        "requests": [str(level.speed["requests"]) for level in levels],
        "tokens/s\nsteady": [
            _number_text(level.speed.get("steady", {}).get("output_tokens_per_s")) for level in levels
        ],
        "tokens/s\nall": [_number_text(level.speed.get("output_tokens_per_s")) for level in levels],
        "per request\np50 tokens/s": [
            _number_text(level.speed.get("output_tokens_per_s_per_request")) for level in levels
        ],
        "common\ntokens/s": [_number_text(level.speed.get("common_tokens_per_s")) for level in levels],
        "TTFT\np50/p90/p99 s": [_percentile_text(level.speed.get("first_output_s"), 2) for level in levels],
        "TPOT\np50/p90/p99 ms": [
            _percentile_text(level.speed.get("time_per_output_token_s"), 1, 1000) for level in levels
        ],
        "latency\np50/p90/p99 s": [_percentile_text(level.speed.get("latency_s"), 2) for level in levels],
        "tokens/\nforward": [_number_text(level.speed.get("tokens_per_forward"), 2) for level in levels],
        "prefill\nshare": [_number_text(level.speed.get("prefill_share"), 2) for level in levels],
        "cost per\nproblem": [_number_text(level.cost_per_problem, 6) for level in levels],
    }
    shown = {name: cells for name, cells in columns.items() if any(cell != ABSENT for cell in cells)}
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    return table


def level_remarks(levels: Sequence[LevelResult]) -> list[str]:
    """Returns the lines below `bench`'s table: token counts and failures of each concurrency, then the hardware."""
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


def _number_text(value: float | None, digits: int = 1) -> str:
    return ABSENT if value is None else f"{value:.{digits}f}"


def _percentile_text(values: Mapping[str, Any] | None, digits: int, scale: float = 1.0) -> str:
    return "/".join(f"{scale * value:.{digits}f}" for value in values.values()) if values else ABSENT
