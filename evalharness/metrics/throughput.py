"""Computes the speed of a run, or of one concurrency level of `bench`; each speed figure of a summary is defined here.

Tokens are those up to the first stop sequence or end token; later tokens do not count. Times are in seconds. A figure
that needs a value of every request is absent where one request lacks it; nothing unmeasured is ever zero.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np

from evalharness.data.run_types import Speed
from evalharness.metrics.drafts import draft_acceptance_by_source
from evalharness.metrics.intervals import log_normal_interval
from evalharness.metrics.request_times import (
    busy_seconds,
    find_warmup_sample_keys,
    has_no_output,
    percentiles,
    request_start_and_end,
    standard_error_of_log_tokens_per_s,
    times_per_output_token,
    values_if_all_measured,
)
from evalharness.metrics.steady_window import find_steady_window, make_request_timeline
from evalharness.metrics.tokenizing import CommonTokenizer
from evalharness.records import Completion, Key


def compute_speed(
    completions: Iterable[Completion],
    tokenizer: CommonTokenizer | None = None,
    conditions: Mapping[str, Any] | None = None,
    warmup: Collection[Key] | None = None,
) -> Speed:
    """Returns the speed of a set of completions, such as tokens/s and TTFT; empty if no request was timed.

    Percentiles are over requests. `warmup` names the samples to leave out; without it, `find_warmup_sample_keys` finds
    them. The names in brackets are those of vLLM's `vllm bench serve` and of NVIDIA AIPerf.

    requests, warmup_requests: the number of requests that the figures cover, and of those left out as warm-up.
    generation_s: seconds in which at least one request was in progress.
    latency_s: end-to-end latency [E2EL; request latency]: from sending the request to its last token.
    first_output_s: time to first token [TTFT], over the requests that have output; for diffusion, the time to the first
      committed block.
    time_per_output_token_s: time per output token [TPOT; inter-token latency], see `times_per_output_token`.
    output_tokens, prompt_tokens: sums over requests.
    output_tokens_per_s: output_tokens / generation_s [output token throughput]; output_tokens_per_s_ci95: its interval
      over requests, or batches, at the same concurrency. characters_per_s: the same in characters.
    request_output_tokens_per_s: percentiles of output_tokens / latency of a request;
      output_tokens_per_s_per_request: the median of the same.
    steady: output tokens/s in the window of the highest concurrency (see `find_steady_window`), the window's
      length in seconds, and its concurrency.
    common_tokens, common_tokens_per_s, tokenizer: output tokens counted by a tokenizer common to all models.
    forwards: forward passes (NFE) after the prefill, summed over requests; tokens_per_forward: output_tokens /
      forwards. prefill_share: sum of prefill_s / sum of latency.
    drafts: acceptance of the drafts of speculative decoding, by their source.
    batch: the largest number of requests that shared forward passes.
    conditions: hardware, concurrency and other conditions of the measurement, as given.
    """
    timed: list[Completion] = []
    common: list[int] = []
    for completion in completions:
        if completion.total_s is not None and completion.started_at is not None and not completion.error:
            timed.append(replace(completion, text="", trace=None))  # Texts and traces of many rows would fill memory.
            common.append(tokenizer.count(completion.text) if tokenizer else 0)
    if not timed:
        return {}
    dropped = find_warmup_sample_keys(timed) if warmup is None else warmup
    is_measured = [completion.key not in dropped for completion in timed]
    measured = list(compress(timed, is_measured))
    if not measured:
        return {}
    busy = busy_seconds([request_start_and_end(completion) for completion in measured])
    figures: Speed = {
        "requests": len(measured), "warmup_requests": len(timed) - len(measured), "generation_s": busy,
        "latency_s": percentiles([completion.total_s or 0.0 for completion in measured]),
    }  # fmt: skip
    if ttft := values_if_all_measured(
        [completion.first_output_s for completion in measured if not has_no_output(completion)]
    ):
        figures["first_output_s"] = percentiles(ttft)
    if tpot := times_per_output_token(measured):
        figures["time_per_output_token_s"] = percentiles(tpot)
    if busy > 0:
        figures["characters_per_s"] = sum(completion.characters for completion in measured) / busy
    figures |= _token_speed_figures(measured, busy)
    figures |= _common_tokenizer_figures(sum(compress(common, is_measured)), busy, tokenizer)
    figures |= _forward_pass_figures(measured)
    ends = [request_start_and_end(completion)[1] for completion in timed if completion.key in dropped]
    figures |= _steady_window_figures(timed, start_after=max(ends, default=float("-inf")))
    if conditions:
        figures["conditions"] = dict(conditions)
    return figures


def _token_speed_figures(completions: Sequence[Completion], busy_s: float) -> Speed:
    figures: Speed = {}
    if tokens := values_if_all_measured([completion.output_tokens for completion in completions]):
        figures["output_tokens"] = sum(tokens)
        per_request = [
            count / completion.total_s
            for count, completion in zip(tokens, completions, strict=True)
            if completion.total_s
        ]
        if busy_s > 0 and per_request:
            figures["output_tokens_per_s"] = sum(tokens) / busy_s
            error = standard_error_of_log_tokens_per_s(completions)
            if error is not None:
                figures["output_tokens_per_s_ci95"] = list(log_normal_interval(sum(tokens) / busy_s, error))
            figures["output_tokens_per_s_per_request"] = float(np.median(per_request))
            figures["request_output_tokens_per_s"] = percentiles(per_request)
    if prompt_tokens := values_if_all_measured([completion.prompt_tokens for completion in completions]):
        figures["prompt_tokens"] = sum(prompt_tokens)
    return figures


def _common_tokenizer_figures(common_tokens: int, busy_s: float, tokenizer: CommonTokenizer | None) -> Speed:
    if tokenizer is None or busy_s <= 0:
        return {}
    return {"common_tokens": common_tokens, "common_tokens_per_s": common_tokens / busy_s, "tokenizer": tokenizer.name}


def _forward_pass_figures(completions: Sequence[Completion]) -> Speed:
    figures: Speed = {}
    forwards = values_if_all_measured([completion.forwards for completion in completions])
    tokens = values_if_all_measured([completion.output_tokens for completion in completions])
    if forwards:
        figures["forwards"] = sum(forwards)
        if tokens and sum(forwards):
            figures["tokens_per_forward"] = sum(tokens) / sum(forwards)
    if drafts := values_if_all_measured([completion.drafts for completion in completions]):
        figures["drafts"] = draft_acceptance_by_source(counts for parts in drafts for counts in parts)
    prefill = values_if_all_measured([completion.prefill_s for completion in completions])
    total = sum(completion.total_s or 0.0 for completion in completions)
    if prefill and total > 0:
        figures["prefill_share"] = sum(prefill) / total
    if batches := values_if_all_measured([completion.batch for completion in completions]):
        figures["batch"] = max(batches)
    return figures


def _steady_window_figures(completions: Sequence[Completion], start_after: float) -> Speed:
    """Returns {"steady": ...}: tokens/s in the time window in which the most requests were in progress.

    The time before `start_after` (seconds since the epoch) is excluded. Returns {} if there is no such window, or if a
    completion's tokens were not counted.
    """
    window = find_steady_window([request_start_and_end(completion) for completion in completions], start_after)
    if window is None or any(completion.output_tokens is None for completion in completions):
        return {}
    spans = [
        make_request_timeline(completion, completion.output_tokens or 0, completion.first_output_tokens)
        for completion in completions
    ]
    tokens = sum(span.output_amount_between(window.start, window.end) for span in spans)
    return {
        "steady": {
            "output_tokens_per_s": tokens / window.seconds,
            "seconds": window.seconds,
            "concurrency": window.concurrency,
        }
    }


def speed_measurement_conditions(
    backend_description: Mapping[str, Any], machine_hardware: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the conditions that a measured speed depends on: hardware, cores, endpoint, dtype, batch, concurrency.

    Keys with unknown values are absent. The hardware of an endpoint is what the user states (`--option hardware=`),
    since the machine that runs the harness only sends requests.
    """
    remote = "base_url" in backend_description
    accelerated = str(backend_description.get("device", "")).startswith("cuda")
    name = (
        backend_description.get("hardware")
        if remote
        else backend_description.get("device_name")
        if accelerated
        else machine_hardware.get("processor")
    )
    cores = None if remote or accelerated else machine_hardware.get("cores")
    clocks = None if remote else machine_hardware.get("accelerator_clocks" if accelerated else "cpu_mhz")
    values = {
        "hardware": name, "cores": cores, "clocks": clocks, "endpoint": backend_description.get("base_url"),
        **{key: backend_description.get(key) for key in ("dtype", "batch_size", "concurrency")},
    }  # fmt: skip
    return {key: value for key, value in values.items() if value is not None}
