"""How fast completions came, from the rows that a run or a bench wrote. Every figure is defined here, once.

Tokens are those up to the first stop sequence or end token; nothing after it counts. Times are in seconds. A figure
that needs a number of every request is absent where one request lacks it: what was not measured is never zero.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np

from evalharness.metrics.statistics import ratio_error, ratio_interval
from evalharness.metrics.tokenizing import CommonTokenizer
from evalharness.metrics.window import Span, span, steady_window
from evalharness.records import Completion, Key

PERCENTILES = (50, 90, 99)
WARM_UP_AT_MOST = 0.1


def speed(
    completions: Iterable[Completion],
    tokenizer: CommonTokenizer | None = None,
    conditions: Mapping[str, Any] | None = None,
    warmup: Collection[Key] | None = None,
) -> dict[str, Any]:
    """The `speed` block of a summary; empty if nothing was timed. Percentiles are p50, p90 and p99 over requests.

    requests, warmup_requests: how many the figures are of, and how many were dropped before (`warmup`, else the rule of
      `warmup_keys`).
    generation_s: seconds in which at least one of the requests was under way.
    latency_s: percentiles of total_s, from sending to the last token.
    first_output_s: percentiles of the time to the first piece of output, over the requests that had any; for diffusion,
      to the first committed block.
    time_per_output_token_s: percentiles of (total_s - first_output_s) / (output_tokens - first_output_tokens), so that
      a first piece of 32 tokens is 32 tokens; over the requests that had output after their first piece.
    output_tokens, prompt_tokens: sums. output_tokens_per_s: output_tokens / generation_s, and its 95 % interval over
      requests or batches, at the same concurrency. characters_per_s: likewise by characters.
    output_tokens_per_s_per_request: median of output_tokens / total_s; request_output_tokens_per_s: its percentiles.
    steady: the same over the window from when the concurrency first reaches its highest level till it last was there
      (see `steady_window`): output_tokens_per_s (the output that came within it / its seconds), seconds, concurrency.
    common_tokens_per_s, common_tokens, tokenizer: as output tokens, counted by a tokenizer common to all models.
    forwards: forward passes after the prompts' own, summed over requests; tokens_per_forward: output_tokens / forwards.
    prefill_share: sum of prefill_s / sum of total_s, the prompts' part of the time.
    batch: the largest number of requests that shared forward passes.
    conditions: what the figures hold for, as given.
    """
    timed: list[Completion] = []
    common: list[int] = []
    for row in completions:
        if row.total_s is not None and row.started_at is not None and not row.error:
            timed.append(replace(row, text="", trace=None))  # of many rows, these would fill the memory
            common.append(tokenizer.count(row.text) if tokenizer else 0)
    if not timed:
        return {}
    dropped = warmup_keys(timed) if warmup is None else warmup
    kept = [row.key not in dropped for row in timed]
    rows = list(compress(timed, kept))
    if not rows:
        return {}
    busy = busy_seconds([_ends(row) for row in rows])
    found: dict[str, Any] = {"requests": len(rows), "warmup_requests": len(timed) - len(rows), "generation_s": busy}
    found["latency_s"] = percentiles([row.total_s or 0.0 for row in rows])
    first = _of_all([row.first_output_s for row in rows if not _empty(row)])
    if first:
        found["first_output_s"] = percentiles(first)
    if each := seconds_per_token(rows):
        found["time_per_output_token_s"] = percentiles(each)
    if busy > 0:
        found["characters_per_s"] = sum(row.characters for row in rows) / busy
    common_tokens = sum(compress(common, kept))
    found |= _token_figures(rows, busy) | _common_figures(common_tokens, busy, tokenizer) | _network_figures(rows)
    found |= steady_figures(timed, after=max((_ends(row)[1] for row in timed if row.key in dropped), default=None))
    return found | ({"conditions": dict(conditions)} if conditions else {})


def _token_figures(rows: Sequence[Completion], busy: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    tokens = _of_all([row.output_tokens for row in rows])
    if tokens:
        found["output_tokens"] = sum(tokens)
        each = [count / row.total_s for count, row in zip(tokens, rows, strict=True) if row.total_s]
        if busy > 0 and each:
            found["output_tokens_per_s"] = sum(tokens) / busy
            error = rate_error(rows)
            if error is not None:
                found["output_tokens_per_s_ci95"] = list(ratio_interval(sum(tokens) / busy, error))
            found["output_tokens_per_s_per_request"] = float(np.median(each))
            found["request_output_tokens_per_s"] = percentiles(each)
    if prompt := _of_all([row.prompt_tokens for row in rows]):
        found["prompt_tokens"] = sum(prompt)
    return found


def _common_figures(total: int, busy: float, tokenizer: CommonTokenizer | None) -> dict[str, Any]:
    if tokenizer is None or busy <= 0:
        return {}
    return {"common_tokens": total, "common_tokens_per_s": total / busy, "tokenizer": tokenizer.name}


def _network_figures(rows: Sequence[Completion]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    forwards, tokens = _of_all([row.forwards for row in rows]), _of_all([row.output_tokens for row in rows])
    if forwards:
        found["forwards"] = sum(forwards)
        if tokens and sum(forwards):
            found["tokens_per_forward"] = sum(tokens) / sum(forwards)
    prefill, total = _of_all([row.prefill_s for row in rows]), sum(row.total_s or 0.0 for row in rows)
    if prefill and total > 0:
        found["prefill_share"] = sum(prefill) / total
    if batches := _of_all([row.batch for row in rows]):
        found["batch"] = max(batches)
    return found


def seconds_per_token(rows: Iterable[Completion]) -> list[float] | None:
    """Time per output token of each request that had output after its first piece; None where one cannot be told."""
    found = []
    for row in rows:
        if _empty(row):
            continue
        if row.first_output_s is None or row.first_output_tokens is None or row.output_tokens is None:
            return None
        if row.output_tokens > row.first_output_tokens:
            found.append(((row.total_s or 0.0) - row.first_output_s) / (row.output_tokens - row.first_output_tokens))
    return found


def steady_figures(rows: Sequence[Completion], after: float | None = None) -> dict[str, Any]:
    """`steady` of `speed`, from all rows, warm-up included: their output before the window is apportioned, not lost."""
    window = steady_window([_ends(row) for row in rows], float("-inf") if after is None else after)
    if window is None or any(row.output_tokens is None for row in rows):
        return {}
    spans: list[Span] = [span(row, row.output_tokens or 0, row.first_output_tokens) for row in rows]
    tokens = sum(each.amount_within(window.start, window.end) for each in spans)
    figures = {"output_tokens_per_s": tokens / window.seconds, "seconds": window.seconds}
    return {"steady": {**figures, "concurrency": window.concurrency}}


def rate_error(rows: Iterable[Completion]) -> float | None:
    """Standard error of the logarithm of the rows' tokens/s; a batch (rows that began together) counts once."""
    tokens: dict[float, float] = defaultdict(float)
    seconds: dict[float, float] = defaultdict(float)
    for row in rows:
        if row.output_tokens is None or row.total_s is None or row.started_at is None:
            return None
        tokens[row.started_at] += row.output_tokens
        seconds[row.started_at] = max(seconds[row.started_at], row.total_s)
    return ratio_error(list(tokens.values()), list(seconds.values()))


def warmup_keys(rows: Sequence[Completion]) -> frozenset[Key]:
    """The warm-up of a run: the requests that began before the first one ended, if they are at most a tenth of all.

    They paid for what is done once, such as compiling, connecting and filling an idle server. Of a short run nothing
    is dropped.
    """
    ended = min(_ends(row)[1] for row in rows)
    early = frozenset(row.key for row in rows if _ends(row)[0] < ended)
    return early if len(early) <= WARM_UP_AT_MOST * len(rows) else frozenset()


def conditions(backend: Mapping[str, Any], hardware: Mapping[str, Any]) -> dict[str, Any]:
    """What a speed holds for, from the backend's description and the machine's; what nobody knows is absent.

    Of an endpoint the hardware is what its owner says (`--option hardware=`), as this machine only asks.
    """
    remote = "base_url" in backend
    accelerated = str(backend.get("device", "")).startswith("cuda")
    name = (
        backend.get("hardware") if remote else backend.get("device_name") if accelerated else hardware.get("processor")
    )
    cores = None if remote or accelerated else hardware.get("cores")
    clocks = None if remote else hardware.get("accelerator_clocks" if accelerated else "cpu_mhz")
    found = {
        "hardware": name, "cores": cores, "clocks": clocks, "endpoint": backend.get("base_url"),
        **{key: backend.get(key) for key in ("dtype", "batch_size", "concurrency")},
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}


def cost_per_problem(rows: Sequence[Completion], price_in: float, price_out: float) -> float | None:
    """Mean price of all requests of a problem, given prices per million tokens; None where a token count is absent."""
    prompt, output = _of_all([row.prompt_tokens for row in rows]), _of_all([row.output_tokens for row in rows])
    if not prompt or not output:
        return None
    return float(sum(prompt) * price_in + sum(output) * price_out) / 1e6 / len({row.task_id for row in rows})


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


def _ends(row: Completion) -> tuple[float, float]:
    start = row.started_at or 0.0
    return start, start + (row.total_s or 0.0)


def _empty(row: Completion) -> bool:
    """Whether the answer was empty, so that there was no first piece to be timed."""
    return row.first_output_s is None and not row.characters


def _of_all(values: Sequence[Any]) -> list[Any]:
    """The values, or none of them where one is unknown."""
    return [] if any(value is None for value in values) else list(values)
