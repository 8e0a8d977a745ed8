"""Types and contents of the JSON objects in the server's answers: usage, timings, denoising frames."""

from typing import Any, Literal, TypedDict

from evalharness.model_server.engine.job import JobOutcome


class PredictionTokenCounts(TypedDict):
    """Counts of accepted and rejected draft tokens, under the names of OpenAI's API."""

    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class Usage(TypedDict):
    """Token counts of an answer, as in OpenAI's API; `forward_passes` is an extension of this server."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: PredictionTokenCounts
    forward_passes: int


class Timings(TypedDict):
    """Timings of an answer in milliseconds since the request arrived; None (JSON null) if not measured."""

    queued_ms: float
    prefill_ms: float | None
    ttft_ms: float | None
    total_ms: float


class DenoisingFrame(TypedDict):
    """The data of a `denoising_frame` event: what one forward pass changed. Positions are indices of output tokens."""

    object: Literal["denoising_frame"]
    id: str
    choices: list[Any]
    """Always empty, so that clients that know only chunks skip the event."""
    index: int
    """The index of the choice."""
    forward_pass: int
    ms: float
    start: int
    end: int
    """[start, end) are the positions that were not final before the forward pass."""
    positions: list[int]
    tokens: list[str]
    confidences: list[float]
    """The network's probability of each of `tokens`, the new tokens at `positions`."""
    drafted: list[str]
    """Tokens that the forward pass drafts for the positions from `start`; the next one verifies them."""
    accepted: int
    rejected: list[str]
    """The drafted tokens that the forward pass rejected; `accepted` counts the others."""


def sum_usage(outcomes: list[JobOutcome], choices_per_prompt: int) -> Usage:
    """Returns the token counts of an answer, summed over its completions.

    `choices_per_prompt` consecutive completions have the same prompt, which is counted once.
    """
    prompt = sum(outcome.prompt_tokens for outcome in outcomes[::choices_per_prompt])
    completion = sum(outcome.output_tokens for outcome in outcomes)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {
            "accepted_prediction_tokens": sum(outcome.accepted_drafts or 0 for outcome in outcomes),
            "rejected_prediction_tokens": sum(outcome.rejected_drafts or 0 for outcome in outcomes),
        },
        "forward_passes": sum(outcome.forward_passes or 0 for outcome in outcomes),
    }


def combine_timings(outcomes: list[JobOutcome]) -> Timings:
    """Returns the timings of an answer with several completions.

    `queued_ms`, `prefill_ms` and `ttft_ms` are the smallest values of the completions; `total_ms` is the largest.
    """
    prefills = [outcome.prefill_s for outcome in outcomes if outcome.prefill_s is not None]
    firsts = [outcome.first_s for outcome in outcomes if outcome.first_s is not None]
    return {
        "queued_ms": _to_milliseconds(min(outcome.queued_s for outcome in outcomes)),
        "prefill_ms": _to_milliseconds(min(prefills)) if prefills else None,
        "ttft_ms": _to_milliseconds(min(firsts)) if firsts else None,
        "total_ms": _to_milliseconds(max(outcome.total_s for outcome in outcomes)),
    }


def explain_empty_answer(outcome: JobOutcome, generated_token_count: int) -> str | None:
    """Returns the reason why a completion has no text; None if it has some.

    `generated_token_count` includes tokens that were cut at a stop sequence.
    """
    if outcome.text:
        return None
    if outcome.finish_reason == "length":
        return "the answer is empty: max_tokens was reached before any text was generated; send a larger max_tokens"
    if generated_token_count:
        return "the answer is empty: the generated text begins with a stop sequence; change the parameter stop"
    return "the answer is empty: the first generated token was an end token; change the prompt"


def _to_milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 3)
