"""Sampling parameters, and the completions that a backend returns."""

from dataclasses import dataclass
from typing import Literal

from evalharness.records.prompts import Key


@dataclass(frozen=True)
class Sampling:
    """The sampling parameters of a run: temperature, top_p, maximum number of new tokens, and seed."""

    temperature: float = 0.0
    """0 selects the most probable token (greedy decoding)."""
    top_p: float = 1.0
    """Nucleus sampling: the probability mass of the tokens to sample from; 1 for all."""
    max_new_tokens: int = 768
    seed: int = 0


@dataclass(frozen=True)
class DecodingTrace:
    """How a completion was decoded: the text, the forward pass and the block of each output token, in text order."""

    tokens: tuple[str, ...]
    """The text of each token. Joined, they are the completion before the cut at a stop sequence."""
    steps: tuple[int, ...]
    """The forward pass after which each token no longer changes, counted from 0."""
    blocks: tuple[int, ...]
    """The block of each token, counted from 0."""
    rejected: tuple["RejectedDraft", ...] = ()
    """The drafted tokens that the target rejected, in the order of the passes."""


@dataclass(frozen=True)
class RejectedDraft:
    """Speculative decoding: the consecutive drafted tokens that one forward pass of the target model rejected."""

    step: int
    """The forward pass, counted from 0."""
    position: int
    """The index, in the output, of the token that replaced the first rejected token."""
    tokens: tuple[str, ...]
    """The text of each rejected token."""


@dataclass(frozen=True)
class DraftCounts:
    """Speculative decoding: how many tokens were drafted and accepted, for one completion and one source of drafts."""

    source: str
    """What drafted: lookup, drafter, self (the network drafts for itself), or none (passes without a draft)."""
    passes: int
    """Passes of the target that verified such a draft."""
    drafted: tuple[int, ...] = ()
    """For each position, the number of drafts that had a token there."""
    accepted: tuple[int, ...] = ()
    """For each position, the number of drafts whose token there was accepted."""


@dataclass(frozen=True)
class Completion:
    """One generated completion with its token counts and timings; a line of `completions.jsonl`.

    Times are in seconds. A value that was not measured is None, never zero.
    """

    task_id: str
    sample_id: int
    text: str
    """The generated text, up to the first stop sequence."""
    form: Literal["answer", "completion", "solution", "program"] = "answer"
    """How the task makes a program of the text.

    answer: the task's recipe extracts the program from it. completion: it stands between the problem's prefix and
    suffix. solution: it is a whole program. program: a whole program with its tests, where the problem accepts one.
    """
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    """Tokens generated up to the first stop sequence or end token. Later ones do not count."""
    characters: int = 0
    """Length of the generated text."""
    started_at: float | None = None
    """When the request was sent, or its batch began: seconds since the epoch."""
    first_output_s: float | None = None
    """Time from the start to the first chunk of output: TTFT for AR; for diffusion, the end of the first block."""
    first_output_tokens: int | None = None
    """Tokens in the first chunk. A server may send many at once."""
    prefill_s: float | None = None
    """The part of `total_s` spent on the prompt, where the backend can separate it."""
    total_s: float | None = None
    """End-to-end latency: time from the start to the last token; in a batch, to the step that ends this completion."""
    batch: int | None = None
    """Number of requests that share this one's forward passes, where the backend itself makes batches."""
    forwards: int | None = None
    """Forward passes (NFE) that produce this completion, without those of the prompt's prefill."""
    accepted_drafts: int | None = None
    """Speculative decoding: drafted tokens that the target accepted. None without drafts."""
    rejected_drafts: int | None = None
    """Speculative decoding: drafted tokens that the target rejected, those after a rejected one included."""
    drafts: tuple[DraftCounts, ...] | None = None
    """Speculative decoding: what the target accepted of the drafts of each source. None without drafts."""
    trace: DecodingTrace | None = None
    """The decoding history, where the backend is asked to keep it."""
    reasoning: str | None = None
    """The reasoning that an endpoint sends separately from the answer. It is not graded."""
    reasoning_tokens: int | None = None
    """The part of `output_tokens` that is reasoning."""
    finish_reason: str = "stop"
    """stop (a stop sequence or end token), length (the token limit), refused (the endpoint takes no such prompt), error
    (the backend failed for the prompt), not_sent (the backend failed for the prompts before it), unknown, or a value of
    an endpoint's own."""
    refusal: str | None = None
    """Why there is no answer: what the endpoint said when it refused the prompt, or why the backend failed."""
    error: str = ""
    """Why the backend failed to produce a completion; empty for a real completion."""

    @property
    def key(self) -> Key:
        """The identity of the completion's sample: (task_id, sample_id)."""
        return (self.task_id, self.sample_id)
