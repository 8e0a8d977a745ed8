"""Latencies, TPOT, throughput errors and costs of requests. All times are in seconds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from evalharness.metrics.intervals import standard_error_of_log_ratio
from evalharness.records import Completion, Key

PERCENTILES = (50, 90, 99)
MAX_WARMUP_SHARE = 0.1


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Returns {"p50": ..., "p90": ..., "p99": ...}, the percentiles of the values, linearly interpolated."""
    return {f"p{rank}": float(np.percentile(values, rank)) for rank in PERCENTILES}


def request_start_and_end(completion: Completion) -> tuple[float, float]:
    """Returns when a timed request was sent, and when its last token arrived, in seconds since the epoch."""
    start = completion.started_at or 0.0
    return start, start + (completion.total_s or 0.0)


def busy_seconds(request_spans: Sequence[tuple[float, float]]) -> float:
    """Returns the seconds in which at least one request was in progress, from the (start, end) of each.

    Pauses between requests are not counted, such as between an interrupted run and its resumption.
    """
    total, reached = 0.0, float("-inf")
    for start, end in sorted(request_spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def find_warmup_sample_keys(completions: Sequence[Completion]) -> frozenset[Key]:
    """Returns the keys of a run's warm-up requests, which its speed excludes: those sent before any request had ended.

    These requests include one-time costs, such as compiling, connecting and filling an idle server. Returns an empty
    set if they are more than a tenth of all requests.
    """
    first_end = min(request_start_and_end(completion)[1] for completion in completions)
    early = frozenset(completion.key for completion in completions if request_start_and_end(completion)[0] < first_end)
    return early if len(early) <= MAX_WARMUP_SHARE * len(completions) else frozenset()


def has_no_output(completion: Completion) -> bool:
    """Returns whether a completion has no output, so that its time to first token is not defined."""
    return completion.first_output_s is None and not completion.characters


def times_per_output_token(completions: Iterable[Completion]) -> list[float] | None:
    """Returns the time per output token (TPOT) of each request with output after its first chunk, in seconds.

    (end-to-end latency - TTFT) / (output tokens - tokens in the first chunk). vLLM and AIPerf (which calls it ITL)
    define TPOT with 1 in place of the tokens in the first chunk; the two are equal if the server sends tokens one by
    one. Returns None if a request lacks one of these figures.
    """
    times = []
    for completion in completions:
        if has_no_output(completion):
            continue
        tokens, first_tokens = completion.output_tokens, completion.first_output_tokens
        if completion.first_output_s is None or first_tokens is None or tokens is None:
            return None
        if tokens > first_tokens:
            times.append(((completion.total_s or 0.0) - completion.first_output_s) / (tokens - first_tokens))
    return times


def standard_error_of_log_tokens_per_s(completions: Iterable[Completion]) -> float | None:
    """Returns the standard error of log(tokens/s) of a set of completions (see `standard_error_of_log_ratio`).

    Completions with the same start are one batch, which counts as one work item. Returns None if a figure is missing.
    """
    tokens: dict[float, float] = defaultdict(float)
    seconds: dict[float, float] = defaultdict(float)
    for completion in completions:
        if completion.output_tokens is None or completion.total_s is None or completion.started_at is None:
            return None
        tokens[completion.started_at] += completion.output_tokens
        seconds[completion.started_at] = max(seconds[completion.started_at], completion.total_s)
    return standard_error_of_log_ratio(list(tokens.values()), list(seconds.values()))


def cost_per_problem(
    completions: Sequence[Completion], price_per_million_prompt_tokens: float, price_per_million_output_tokens: float
) -> float | None:
    """Returns the mean cost of generating the completions of one problem, in the currency of the prices.

    Returns None if a token count is missing.
    """
    prompt = values_if_all_measured([completion.prompt_tokens for completion in completions])
    output = values_if_all_measured([completion.output_tokens for completion in completions])
    if not prompt or not output:
        return None
    problems = {completion.task_id for completion in completions}
    return (
        float(sum(prompt) * price_per_million_prompt_tokens + sum(output) * price_per_million_output_tokens)
        / 1e6
        / len(problems)
    )


def values_if_all_measured(values: Sequence[Any]) -> list[Any]:
    """Returns the values as a list, or an empty list if any of them is None (not measured)."""
    return [] if any(value is None for value in values) else list(values)
