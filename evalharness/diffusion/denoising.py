"""The settings of block diffusion decoding, and the state of a block while it is denoised.

A token is committed when a forward pass writes it in place of a mask. It is final when no later pass can change it:
with most decoding rules immediately, but with the rule `editing` only when its block is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.forward import RowInput
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.rules import Rule


@dataclass(frozen=True)
class DenoisingSettings:
    """Settings of block diffusion decoding: decoding rule, block length, token sampling."""

    rule: Rule
    block: int
    """Tokens per block."""
    sampler: Sampler
    aligned: bool = False
    """Whether blocks begin at multiples of their length, counted from the start of the prompt. By default the first
    block begins at the end of the prompt.
    """
    sub_block: int = 0
    """If positive, a block is denoised in sub-blocks of this length, from left to right."""
    first_token_alone: bool = False
    """Whether the first forward pass over a block replaces only the block's first mask, whatever the decoding rule
    chooses.
    """
    rule_sees_temperature: bool = False
    """Whether the decoding rule decides by probabilities after temperature and top_p; by default by the network's
    own.
    """
    hold_end: int = 0
    """Number of output tokens, from the first one, that cannot be an end token."""
    held_end_tokens: tuple[int, ...] = ()
    """The end tokens that `hold_end` excludes."""

    def prefilled_prompt_length(self, prompt_token_count: int) -> int:
        """Returns how many tokens of a prompt are prefilled; the first block begins after them."""
        return prompt_token_count - (prompt_token_count % self.block if self.aligned else 0)


class DecodingEngine(Protocol):
    """The interface of a faster decoder, such as the fused kernels: it decodes a batch after prefill."""

    def supports(self, sampler: Sampler, denoising: DenoisingSettings | None = None) -> bool:
        """Returns whether the engine can decode with these settings.

        `denoising` are the settings of block diffusion; None stands for autoregressive decoding.
        """

    def allocate_cache(
        self, rows: Sequence[Row], sampler: Sampler, denoising: DenoisingSettings | None = None
    ) -> KVCache:
        """Returns an empty KV cache for these rows; the caller must prefill it before the engine decodes them."""

    def denoise(self, blocks: Iterable[BlockState], denoising: DenoisingSettings, start_time: float) -> None:
        """Decodes the rows of the given blocks by block diffusion until each row has ended.

        Each block is its row's first one, and nothing has been written to it yet. The KV cache of `allocate_cache` must
        hold the text before the blocks. Times of the rows are counted from `start_time`, a `time.perf_counter()`.
        """

    def decode_autoregressively(
        self, rows: Sequence[Row], append_token: Callable[[Row, int], None], start_time: float
    ) -> None:
        """Decodes the rows autoregressively until each has ended.

        The KV cache of `allocate_cache` must hold all tokens of each row except the last. The engine calls
        `append_token(row, token)` for each new token. Times of the rows are counted from `start_time`, a
        `time.perf_counter()`.
        """


@dataclass
class BlockState:
    """The block of a row (sequence) that is being denoised: its tokens, its masks, and which pass wrote each token."""

    row: Row
    number: int = -1
    """Index of the block in its row."""
    start: int = 0
    """Position of the block's first token in the row, counted from the start of the prompt."""
    tokens: list[int] = field(default_factory=list)
    masked: list[bool] = field(default_factory=list)
    prompt_tokens: int = 0
    """Tokens at the start of the block that belong to the prompt."""
    canvas_left: int = 0
    """Masks of the canvas after this block; only bidirectional networks attend to them."""
    initial_masks: int = 0
    step: int = 0
    """Denoising steps done on the block."""
    edit_passes: int = 0
    """Forward passes after the last mask was replaced; only decoding rules that also replace tokens need them."""
    pushed: int = 0
    """Number of the block's leading tokens that are final and have been appended to the row's output (or are its
    prompt's).
    """
    committed_at: list[int] = field(default_factory=list)
    """For each token, the row's forward pass that wrote it, counted from 0."""
    confidence: list[float] = field(default_factory=list)
    """For each token, its probability in that forward pass; 1 for tokens that were not predicted."""
    changed: list[int] = field(default_factory=list)
    """Positions of the block at which the latest forward pass wrote a token in place of a mask or of another token."""

    def start_next_block(self, denoising: DenoisingSettings, config: ModelConfig) -> None:
        """Replaces the finished block by the row's next one: mask tokens after the row's final text.

        The row's first block begins with the prompt tokens that were not prefilled.
        """
        row = self.row
        self.number += 1
        self.start = start = len(row.text)
        prompt_tokens = max(0, len(row.prompt) - start)
        remaining = None if row.length is None else row.length - (start + prompt_tokens - len(row.prompt))
        size = denoising.block - prompt_tokens
        if remaining is not None:
            size = min(size, remaining)
        if self.canvas_left:
            size = min(size, self.canvas_left)
            self.canvas_left -= size
        self.tokens = row.prompt[start:] + [config.mask_id] * size
        self.masked = [False] * prompt_tokens + [True] * size
        if remaining == size and prompt_tokens + size < denoising.block and config.attention != "bidirectional":
            # End tokens fill the last block, as in training; they are all that tells the network the row's length.
            self.masked += [False] * (denoising.block - len(self.tokens))
            self.tokens += [config.end_id] * (denoising.block - len(self.tokens))
        self.prompt_tokens = self.pushed = prompt_tokens
        self.initial_masks, self.step, self.edit_passes = size, 0, 0
        self.committed_at, self.confidence = [0] * len(self.tokens), [1.0] * len(self.tokens)

    def next_input(self, config: ModelConfig, block_length: int) -> RowInput:
        """Returns the row's input to the next forward pass: text that is not in the KV cache yet, then the block.

        A bidirectional network has no KV cache; its input is the whole text, the block, the mask tokens after
        the block, and the suffix of an infilling prompt.
        """
        row = self.row
        if config.attention == "bidirectional":
            tokens = [*row.text, *self.tokens, *[config.mask_id] * self.canvas_left, *row.suffix]
            return RowInput(0, tokens, [len(tokens) - 1] * len(tokens))
        end = len(row.text) + len(self.tokens)
        text_limits = last_attended_positions(config, block_length, row.cached, len(row.text))
        return RowInput(
            row.cached, [*row.text[row.cached :], *self.tokens], [*text_limits, *[end - 1] * len(self.tokens)]
        )

    def commit_and_check_finished(
        self, proposed_tokens: Sequence[int], is_chosen: Sequence[bool], confidences: Sequence[float], rule: Rule
    ) -> bool:
        """Writes the proposed tokens at the chosen positions of the block; returns whether the block is finished.

        Call it once after each forward pass. The sequences have one entry per position of the block; `confidences`, the
        probabilities of the proposed tokens, are only recorded. A block is finished when it has no masks and the
        decoding rule `rule` replaces no more of its tokens. Tokens that no later pass can change are appended to the
        row's output: those before the first mask or, with a rule that replaces tokens, all at once when the block is
        finished.
        """
        row = self.row
        self.changed = changes = [position for position in range(len(self.tokens)) if is_chosen[position]]
        self.edit_passes += not any(self.masked)
        for position in changes:
            self.tokens[position], self.masked[position] = proposed_tokens[position], False
            self.committed_at[position], self.confidence[position] = row.forward_passes, confidences[position]
        row.forward_passes += 1
        self.step += 1
        finished = not any(self.masked)
        if rule.max_edit_passes:
            finished = finished and (not changes or self.edit_passes >= rule.max_edit_passes)
            if not finished:
                return False
        while self.pushed < len(self.tokens) and not self.masked[self.pushed] and not row.ended:
            position = self.pushed
            row.append_token(self.tokens[position], self.committed_at[position], self.number, self.confidence[position])
            self.pushed += 1
        if finished:
            row.text += self.tokens
        return finished


def last_attended_positions(config: ModelConfig, block_length: int, start: int, end: int) -> Sequence[int]:
    """Returns, for each text token at positions [start, end), the last position that it attends to.

    With causal attention that is the token's own position, else the last one (below `end`) of its block of
    `block_length` tokens.
    """
    if config.attention == "causal":
        return range(start, end)
    return [min(end, (position // block_length + 1) * block_length) - 1 for position in range(start, end)]
