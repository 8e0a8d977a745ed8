"""The rows of a batch while they are being generated: their text, when they end, and what is measured of them."""

import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from evalharness.generation.stopping import StopChecker


@dataclass
class Row:
    """One text being generated. `prompt` is given; `watch` ends it; positions are counted from the prompt's start."""

    prompt: list[int]
    watch: StopChecker
    generator: torch.Generator | None = None
    """Where its draws come from; None where it is greedy."""
    suffix: list[int] = field(default_factory=list)
    """What follows the gap, for networks that see it in its place."""
    canvas: int = 0
    """Masks that a bidirectional network sees from the start, all that it may fill; 0 for others."""
    length: int | None = None
    """How many tokens are to be generated, where that is fixed beforehand."""
    text: list[int] = field(default_factory=list)
    """All tokens that are final, prompt included."""
    cached: int = 0
    """How many of them the cache holds."""
    forwards: int = 0
    ended: bool = False
    prefill_s: float | None = None
    first_s: float | None = None
    first_tokens: int | None = None
    ended_s: float | None = None
    steps: list[int] = field(default_factory=list)
    """Of each output token, the pass after which it no longer changed, counted from 0."""
    blocks: list[int] = field(default_factory=list)
    """Of each output token, its block."""
    confidences: list[float] = field(default_factory=list)
    """Of each output token, its probability in the pass that fixed it; 1 where nothing was chosen."""
    _uniforms: "array[float]" = field(default_factory=lambda: array("f"))

    @property
    def output(self) -> list[int]:
        """The tokens generated so far, the end token left out."""
        return self.watch.tokens

    def push(self, token: int, step: int, block: int, confidence: float = 1.0) -> bool:
        """Takes the next final token; whether the row has ended with it."""
        self.ended = self.watch.push(token)
        if len(self.watch.tokens) > len(self.steps):
            self.steps.append(step)
            self.blocks.append(block)
            self.confidences.append(confidence)
        return self.ended

    def uniform(self, number: int) -> float:
        """The number-th of its random numbers in [0, 1), the same however many are asked for at a time."""
        assert self.generator is not None
        while len(self._uniforms) <= number:
            self._uniforms.extend(torch.rand(64, generator=self.generator).tolist())
        return self._uniforms[number]


def mark(rows: Iterable[Row], start: float) -> None:
    """Notes the time since `start` (`time.perf_counter()`) at rows' first output and at their ends.

    It is the same for all that a pass has moved on, for they moved on together.
    """
    now = time.perf_counter() - start
    for row in rows:
        if row.first_s is None:
            row.first_s, row.first_tokens = now, len(row.watch.tokens)
        if row.ended and row.ended_s is None:
            row.ended_s = now


@dataclass(frozen=True)
class Draws:
    """How tokens are chosen from logits; temperature 0 is greedy. `banned` are tokens that are never chosen."""

    temperature: float = 0.0
    top_p: float = 1.0
    banned: tuple[int, ...] = ()

    def allowed(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits [N, V] in single precision, with those of banned tokens at minus infinity."""
        logits = logits.float()
        for token in self.banned:
            logits[:, token] = -torch.inf
        return logits

    def tempered(self, logits: torch.Tensor) -> torch.Tensor:
        """Of allowed logits [N, V], those of what is drawn from: minus infinity outside the nucleus."""
        if self.temperature == 0:
            return logits
        scaled = logits / self.temperature
        if self.top_p < 1:
            from evalharness.generation.sampling import apply_top_p

            outside = apply_top_p(torch.softmax(scaled.double(), dim=-1), self.top_p) == 0
            scaled = scaled.masked_fill(outside, -torch.inf)
        return scaled

    def choose(self, logits: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
        """Token ids [N] for allowed logits [N, V]: the likeliest, or drawn by inverting at `uniforms`, N of them."""
        if self.temperature == 0:
            return logits.max(dim=-1).indices  # three times as fast as argmax on a CPU
        from evalharness.generation.sampling import apply_top_p, invert_cdf

        weights = torch.softmax(logits.double() / self.temperature, dim=-1)
        if self.top_p < 1:
            weights = apply_top_p(weights, self.top_p)
        return invert_cdf(weights, torch.tensor(uniforms, dtype=weights.dtype, device=weights.device)[:, None])[:, 0]
