"""How fast completions came, from the rows that a run wrote. What was not measured is absent, never zero."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from evalharness.records import Completion

PERCENTILES = (50, 90, 99)


def speed(completions: Iterable[Completion]) -> dict[str, Any]:
    """The `speed` block of a summary; empty if nothing was timed.

    output_tokens_per_s: output tokens of all requests / seconds during which at least one request was under way.
    output_tokens_per_s_per_request: median over requests of output tokens / seconds of the request.
    latency_s, first_output_s: p50, p90 and p99 over requests, seconds. characters_per_s: as tokens, by characters.
    forwards, output_tokens_per_forward: passes of the network after the prompt's own, and output tokens over them.
    Tokens count up to the first stop or end token. Figures by tokens are left out unless every request has a count.
    """
    rows = [row for row in completions if row.total_s is not None and row.started_at is not None and not row.error]
    if not rows:
        return {}
    spans = [(row.started_at or 0.0, (row.started_at or 0.0) + (row.total_s or 0.0)) for row in rows]
    busy = busy_seconds(spans)
    found: dict[str, Any] = {"requests": len(rows), "generation_s": busy}
    latencies = [end - start for start, end in spans]
    found["latency_s"] = percentiles(latencies)
    first = [row.first_output_s for row in rows if row.first_output_s is not None]
    if len(first) == len(rows):
        found["first_output_s"] = percentiles(first)
    tokens = [row.output_tokens for row in rows if row.output_tokens is not None]
    if busy > 0:
        found["characters_per_s"] = sum(row.characters for row in rows) / busy
    if len(tokens) == len(rows):
        found["output_tokens"] = sum(tokens)
        each = [count / seconds for count, seconds in zip(tokens, latencies, strict=True) if seconds > 0]
        if busy > 0 and each:
            found["output_tokens_per_s"] = sum(tokens) / busy
            found["output_tokens_per_s_per_request"] = float(np.median(each))
    passes = [row.forwards for row in rows if row.forwards is not None]
    total = sum(passes)
    if len(passes) == len(rows) == len(tokens) and total:
        found["forwards"] = total
        found["output_tokens_per_forward"] = sum(tokens) / total
    prompt = [row.prompt_tokens for row in rows if row.prompt_tokens is not None]
    if len(prompt) == len(rows):
        found["prompt_tokens"] = sum(prompt)
    return found


def busy_seconds(spans: Sequence[tuple[float, float]]) -> float:
    """The length of the union of spans (start, end): pauses, such as between two sessions of a run, do not count."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p90 and p99, linearly interpolated."""
    return {f"p{rank}": float(np.percentile(values, rank)) for rank in PERCENTILES}
