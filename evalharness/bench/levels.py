"""Calculates the figures of `evalharness bench` at one concurrency."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from evalharness.errors import UserError
from evalharness.metrics.request_times import cost_per_problem, percentiles
from evalharness.metrics.throughput import compute_speed
from evalharness.metrics.tokenizing import CommonTokenizer
from evalharness.records import Completion, Key


@dataclass(frozen=True)
class ConcurrencyResult:
    """The result of `evalharness bench` at one concurrency level: speed, failures, token counts and cost."""

    concurrency: int
    speed: Mapping[str, Any]
    """As in a run's summary; `metrics/throughput.py` defines each key."""
    failed: int
    """Requests on which the backend failed; they are excluded from all figures."""
    untimed: int
    """Requests without timings, for example because the prompt left no room for output; excluded, too."""
    prompt_tokens: Mapping[str, float]
    """Percentiles over requests; empty if the backend does not count tokens."""
    output_tokens: Mapping[str, float]
    at_limit: int
    """Requests that reached the token limit."""
    cost_per_problem: float | None = None
    """In the currency of the prices; None without prices or token counts."""


def summarize_concurrency_level(
    completions: Sequence[Completion],
    warmup_keys: AbstractSet[Key],
    concurrency: int,
    tokenizer: CommonTokenizer | None,
    measurement_conditions: Mapping[str, Any],
    prompt_and_output_price: tuple[float, float] | None,
) -> ConcurrencyResult:
    """Returns speed and other figures of one concurrency level, computed from its completions.

    Completions whose keys are in `warmup_keys` are excluded. `measurement_conditions`, such as the hardware, are stored
    with the figures. `prompt_and_output_price` are the prices of a million prompt tokens and of a million output
    tokens. Raises UserError if no request has timings.
    """
    measured = [row for row in completions if row.key not in warmup_keys]
    failures = [reason for row in measured if (reason := row.error or row.refusal)]
    figures = compute_speed(completions, tokenizer, measurement_conditions, warmup=warmup_keys)
    if not figures:
        reason = (
            failures[0] if failures else "no answer took a measurable time (the prompts may leave no room for output)"
        )
        raise UserError(
            f"no request at concurrency {concurrency} was measured: {reason}; fix this, or change --input-tokens, "
            "--task or --requests"
        )
    succeeded = [row for row in measured if not row.error and not row.refusal]
    timed = [row for row in succeeded if row.total_s is not None and row.started_at is not None]
    prompt_tokens = [row.prompt_tokens for row in timed if row.prompt_tokens is not None]
    output_tokens = [row.output_tokens for row in timed if row.output_tokens is not None]
    return ConcurrencyResult(
        concurrency=concurrency,
        speed=figures,
        failed=len(failures),
        untimed=len(succeeded) - len(timed),
        prompt_tokens=percentiles(prompt_tokens) if len(prompt_tokens) == len(timed) else {},
        output_tokens=percentiles(output_tokens) if len(output_tokens) == len(timed) else {},
        at_limit=sum(row.finish_reason == "length" for row in timed),
        cost_per_problem=cost_per_problem(timed, *prompt_and_output_price) if prompt_and_output_price else None,
    )
