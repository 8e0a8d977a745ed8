"""The rows (sequences) of a batch while they are decoded: tokens, end, timings, and how tokens are sampled."""

import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from evalharness.generation.sampling import apply_top_p, sample_by_inverse_transform
from evalharness.generation.stopping import StopChecker


@dataclass(frozen=True)
class VerifiedDraft:
    """A draft of speculative decoding, and how many of its tokens the target accepted."""

    forward_pass: int
    """The row's forward pass that verified the draft, counted from 0."""
    position: int
    """The index of the first drafted token among the output tokens."""
    tokens: tuple[int, ...]
    accepted: int
    source: str
    """Where the draft comes from: lookup, drafter, self, or none for a pass without a draft."""


@dataclass
class Row:
    """One sequence of a batch while it is decoded; `stop_checker` decides when its output ends.

    Positions in a row are counted from the start of its prompt.
    """

    prompt: list[int]
    stop_checker: StopChecker
    generator: torch.Generator | None = None
    """The sequence's own random generator; None for greedy decoding."""
    suffix: list[int] = field(default_factory=list)
    """Tokens after the infilled middle, for bidirectional networks, which attend to them in place."""
    canvas: int = 0
    """Number of masks that a bidirectional network attends to from the start: the most tokens that it can generate. 0
    for other networks.
    """
    length: int | None = None
    """The number of tokens to generate, if it is fixed in advance."""
    text: list[int] = field(default_factory=list)
    """All final tokens (those that no later pass changes), prompt included."""
    cached: int = 0
    """Number of tokens of `text` that are in the KV cache."""
    forward_passes: int = 0
    """Forward passes that generated tokens of this row (NFE); prefill is not counted."""
    drafts: list[VerifiedDraft] | None = None
    """The drafts of speculative decoding, in order, those without tokens included; None for other decoding."""
    ended: bool = False
    prefill_s: float | None = None
    first_s: float | None = None
    """Seconds from the start of the batch to the row's first output."""
    first_tokens: int | None = None
    """Number of output tokens at the time `first_s`."""
    ended_s: float | None = None
    """Seconds from the start of the batch to the row's end."""
    steps: list[int] = field(default_factory=list)
    """For each output token, the forward pass after which it no longer changed, counted from 0."""
    blocks: list[int] = field(default_factory=list)
    """For each output token, the index of its block."""
    confidences: list[float] = field(default_factory=list)
    """For each output token, its probability in the pass that wrote it; 1 for tokens that were not predicted."""
    _uniforms: "array[float]" = field(default_factory=lambda: array("f"))

    @property
    def output(self) -> list[int]:
        """The tokens generated so far, without the end (EOS) token."""
        return self.stop_checker.tokens

    def append_token(self, token: int, forward_pass: int, block_index: int, confidence: float = 1.0) -> bool:
        """Appends a final token to the row's output; returns whether the row has ended.

        `forward_pass` is the number of the row's pass that wrote the token, from 0, `block_index` the index of the
        token's block, and `confidence` the token's probability.
        """
        self.ended = self.stop_checker.add_token_and_check_end(token)
        if len(self.stop_checker.tokens) > len(self.steps):
            self.steps.append(forward_pass)
            self.blocks.append(block_index)
            self.confidences.append(confidence)
        return self.ended

    def record_draft(self, position: int, drafted_tokens: Sequence[int], accepted_count: int, source: str) -> None:
        """Records a draft that the latest forward pass verified, and how many of its tokens were accepted.

        `position` is the index of the first drafted token among the row's output tokens.
        """
        self.drafts = self.drafts or []
        self.drafts.append(
            VerifiedDraft(self.forward_passes - 1, position, tuple(drafted_tokens), accepted_count, source)
        )

    def random_number(self, index: int) -> float:
        """Returns the row's random number with this index, in [0, 1); it does not depend on the order of calls."""
        assert self.generator is not None
        while len(self._uniforms) <= index:
            self._uniforms.extend(torch.rand(64, generator=self.generator).tolist())
        return self._uniforms[index]


def record_output_times(rows: Iterable[Row], start_time: float) -> None:
    """Records, after a forward pass, the time of each row's first output (`first_s`) and of its end (`ended_s`).

    Times are seconds since `start_time`, a `time.perf_counter()`; all given rows get the time of the call.
    """
    now = time.perf_counter() - start_time
    for row in rows:
        if row.first_s is None:
            row.first_s, row.first_tokens = now, len(row.stop_checker.tokens)
        if row.ended and row.ended_s is None:
            row.ended_s = now


@dataclass(frozen=True)
class Sampler:
    """Settings and operations of token sampling. Temperature 0 is greedy; tokens in `banned` are never chosen."""

    temperature: float = 0.0
    top_p: float = 1.0
    banned: tuple[int, ...] = ()

    def suppress_banned_tokens(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the logits [N, V] in float32, with minus infinity for banned tokens."""
        logits = logits.float()
        for token in self.banned:
            logits[:, token] = -torch.inf
        return logits

    def apply_temperature(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the logits [N, V] after temperature and top_p: minus infinity for tokens that top_p excludes."""
        if self.temperature == 0:
            return logits
        scaled = logits / self.temperature
        if self.top_p < 1:
            outside = apply_top_p(torch.softmax(scaled.double(), dim=-1), self.top_p) == 0
            scaled = scaled.masked_fill(outside, -torch.inf)
        return scaled

    def sample(self, logits: torch.Tensor, random_numbers: Sequence[float]) -> torch.Tensor:
        """Returns the token ids [N] chosen from logits [N, V]: the most probable ones at temperature 0.

        At higher temperatures they are drawn by inverse transform sampling with `random_numbers`, N random numbers in
        [0, 1). Call `suppress_banned_tokens` first.
        """
        if self.temperature == 0:
            return logits.max(dim=-1).indices  # three times as fast as argmax on a CPU
        weights = torch.softmax(logits.double() / self.temperature, dim=-1)
        if self.top_p < 1:
            weights = apply_top_p(weights, self.top_p)
        return sample_by_inverse_transform(
            weights, torch.tensor(random_numbers, dtype=weights.dtype, device=weights.device)[:, None]
        )[:, 0]
