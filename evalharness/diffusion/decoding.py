"""Block diffusion: blocks of masks from left to right, each denoised in parallel until none of its masks is left.

Networks with causal or block-causal text keep a cache of what is final. A finished block enters it in the first pass of
the next one, so that finishing costs no pass of its own. Bidirectional networks see the whole canvas in each pass.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.forward import Piece, gather, run
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Draws, Row, mark
from evalharness.diffusion.rules import Blocks, Rule

if TYPE_CHECKING:
    from evalharness.diffusion.kernels.engine import Engine


@dataclass(frozen=True)
class Denoising:
    """How to denoise: the rule that fixes positions, how long blocks are, how tokens are chosen."""

    rule: Rule
    block: int
    draws: Draws
    aligned: bool = False
    """Blocks begin at multiples of their length, counted from the text's start; else where the prompt ends."""
    sub_block: int = 0
    """Where positive, a block is denoised in parts of this length, from left to right."""
    seeded: bool = False
    """The first mask of a block is fixed alone, in the block's first pass, whatever the rule says of it."""
    tempered: bool = False
    """The rule looks at the distribution that tokens are drawn from; else at the network's own."""


@dataclass
class Slot:
    """A row with its present block: tokens, which of them are masks, and which were given."""

    row: Row
    number: int = -1
    tokens: list[int] = field(default_factory=list)
    masked: list[bool] = field(default_factory=list)
    given: int = 0
    """Tokens at the block's start that belong to the prompt."""
    ahead: int = 0
    """Masks that a bidirectional network sees behind the block."""
    masks: int = 0
    step: int = 0
    edited: int = 0
    pushed: int = 0
    """Tokens of the block that the row has taken."""
    fixed: list[int] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)

    def open(self, how: Denoising, config: ModelConfig) -> None:
        """Begins the next block behind the row's text."""
        row = self.row
        self.number += 1
        start = len(row.text)
        held = max(0, len(row.prompt) - start)
        left = None if row.length is None else row.length - (start + held - len(row.prompt))
        size = how.block - held if left is None else min(how.block - held, left)
        if self.ahead:
            size = min(size, self.ahead)
            self.ahead -= size
        self.tokens = row.prompt[start:] + [config.mask_id] * size
        self.masked = [False] * held + [True] * size
        if left == size and held + size < how.block and config.attention != "bidirectional":
            # That the text ends here is all that such a row knows of its length; as in training, ends fill the block.
            self.masked += [False] * (how.block - len(self.tokens))
            self.tokens += [config.end_id] * (how.block - len(self.tokens))
        self.given = self.pushed = held
        self.masks, self.step, self.edited = size, 0, 0
        self.fixed, self.sure = [0] * len(self.tokens), [1.0] * len(self.tokens)

    def piece(self, config: ModelConfig, block: int) -> Piece:
        """What the next pass is to compute of this row: what the cache lacks of its text, and the block."""
        row = self.row
        if config.attention == "bidirectional":
            tokens = [*row.text, *self.tokens, *[config.mask_id] * self.ahead, *row.suffix]
            return Piece(0, tokens, [len(tokens) - 1] * len(tokens))
        end = len(row.text) + len(self.tokens)
        clean = clean_limits(config, block, row.cached, len(row.text))
        return Piece(row.cached, [*row.text[row.cached :], *self.tokens], [*clean, *[end - 1] * len(self.tokens)])

    def take(self, chosen: Sequence[int], commit: Sequence[bool], sure: Sequence[float], rule: Rule) -> bool:
        """Writes what the rule fixed and moves the row on; whether the block is finished."""
        row = self.row
        changes = [place for place in range(len(self.tokens)) if commit[place]]
        self.edited += not any(self.masked)
        for place in changes:
            self.tokens[place], self.masked[place] = chosen[place], False
            self.fixed[place], self.sure[place] = row.forwards, sure[place]
        row.forwards += 1
        self.step += 1
        finished = not any(self.masked)
        if rule.edits:
            finished = finished and (not changes or self.edited >= rule.edits)
            if not finished:
                return False
        while self.pushed < len(self.tokens) and not self.masked[self.pushed] and not row.ended:
            place = self.pushed
            row.push(self.tokens[place], self.fixed[place], self.number, self.sure[place])
            self.pushed += 1
        if finished:
            row.text += self.tokens
        return finished


def clean_limits(config: ModelConfig, block: int, start: int, end: int) -> Sequence[int]:
    """The last position that each final token of [start, end) sees."""
    if config.attention == "causal":
        return range(start, end)
    return [min(end, (place // block + 1) * block) - 1 for place in range(start, end)]


@torch.inference_mode()
def denoise(model: Transformer, rows: Sequence[Row], how: Denoising, engine: Engine | None = None) -> None:
    """Generates the rows, in place, until each has ended; they share passes and end by themselves.

    Their prompts must leave room for what they generate and, within the network's `max_length`, for their last block.
    Behind the prompts an `engine` of the same network takes over, where there is one and it takes `how`.
    """
    if not rows:
        return
    config, cache = model.config, None
    if engine is not None and not engine.takes(how.draws, how):
        engine = None
    # What an engine prepares once for all batches of a kind belongs to none of them.
    room = engine.cache(rows, how.draws, how) if engine else None
    start = time.perf_counter()
    for row in rows:
        held = len(row.prompt) % how.block if how.aligned else 0
        row.text = row.prompt[: len(row.prompt) - held]
    if config.attention != "bidirectional":
        cache = prefill(model, rows, how.block, start, room)
    slots = [Slot(row, ahead=row.canvas) for row in rows]
    for slot in slots:
        slot.open(how, config)
    if engine is not None:
        engine.denoise(slots, how, start)
        return
    while slots:
        pieces = [slot.piece(config, how.block) for slot in slots]
        blocks, wanted = look(model, run(model, pieces, cache), slots, pieces, how)
        commit = choose(blocks, how) & wanted
        moved: list[Row] = []
        found = zip(slots, blocks.top.tolist(), commit.tolist(), blocks.probability.tolist(), strict=True)
        for slot, chosen, places, sure in found:
            # A shifted network reads the first mask of a block from the token before it, each time.
            slot.row.cached = max(0, len(slot.row.text) - config.shift)
            if slot.take(chosen, places, sure, how.rule) or slot.row.ended:
                moved.append(slot.row)
                if not slot.row.ended:
                    slot.open(how, config)
        mark(moved, start)
        slots = keep_running(slots, cache)


def prefill(model: Transformer, rows: Sequence[Row], block: int, start: float, cache: KVCache | None = None) -> KVCache:
    """A cache, by default a new one, that holds the rows' text, and room for what is generated; notes the time."""
    config, weight = model.config, model.embed.weight
    # Behind what is generated: the padding of a piece, as long as another row's finished block and its next one.
    capacity = max(len(row.prompt) + row.watch.limit for row in rows) + 4 * (block + 1)
    cache = cache or KVCache(config, len(rows), capacity, weight.dtype, weight.device)
    if any(row.text for row in rows):
        limits = [clean_limits(config, block, 0, len(row.text)) for row in rows]
        run(model, [Piece(0, row.text, seen) for row, seen in zip(rows, limits, strict=True)], cache)
    if weight.device.type == "cuda":
        torch.cuda.synchronize(weight.device)
    now = time.perf_counter() - start
    for row in rows:
        row.cached, row.prefill_s = max(0, len(row.text) - config.shift), now
    return cache


def look(
    model: Transformer, hidden: Tensor, slots: Sequence[Slot], pieces: Sequence[Piece], how: Denoising
) -> tuple[Blocks, Tensor]:
    """What the network says of the positions that the rule may touch, and which [B, L] these are."""
    config, device = model.config, hidden.device
    size = max(len(slot.tokens) for slot in slots)
    wanted = [
        [place for place in range(slot.given, len(slot.tokens)) if slot.masked[place] or how.rule.edits]
        for slot in slots
    ]
    offsets = [len(slot.row.text) - piece.start - config.shift for slot, piece in zip(slots, pieces, strict=True)]
    sources = [(row, max(0, offsets[row] + place)) for row, places in enumerate(wanted) for place in places]
    targets = torch.tensor([row * size + place for row, places in enumerate(wanted) for place in places], device=device)

    def spread(values: Tensor) -> Tensor:
        return values.new_zeros(len(slots) * size).index_copy_(0, targets, values).view(len(slots), size)

    def table(lists: list[list[int]] | list[list[bool]], dtype: torch.dtype) -> Tensor:
        return torch.tensor([[*row, *[0] * (size - len(row))] for row in lists], dtype=dtype, device=device)

    logits = how.draws.allowed(model.logits(gather(hidden, sources)))
    uniforms: list[float] = []
    if how.draws.temperature:
        for slot, places in zip(slots, wanted, strict=True):
            uniforms += [slot.row.uniform(slot.row.forwards * how.block + place) for place in places]
    chosen = how.draws.choose(logits, uniforms)
    top, probability, lead, entropy = statistics(
        how.draws.tempered(logits) if how.tempered else logits, chosen, how.rule.full
    )
    may = spread(torch.ones_like(top)).bool()
    blocks = Blocks(
        masked=table([slot.masked for slot in slots], torch.bool),
        top=spread(top),
        probability=spread(probability),
        lead=spread(lead),
        entropy=spread(entropy),
        tokens=table([slot.tokens for slot in slots], torch.long),
        editable=may,
        masks=torch.tensor([slot.masks for slot in slots], device=device),
        step=torch.tensor([slot.step for slot in slots], device=device),
    )
    return blocks, may


def choose(blocks: Blocks, how: Denoising) -> Tensor:
    """What the rule fixes, bool [B, L], where it is let."""
    masked = blocks.masked
    if how.sub_block:
        part = torch.arange(masked.shape[1], device=masked.device) // how.sub_block
        first = part.expand_as(masked).masked_fill(~masked, masked.shape[1]).amin(dim=-1, keepdim=True)
        masked = masked & (part == first)
    chosen = how.rule.choose(replace(blocks, masked=masked))
    if how.seeded:
        seed = (blocks.step == 0)[:, None] & masked[:, :1]
        chosen = torch.where(seed, masked & (masked.cumsum(dim=-1) == 1), chosen)
    return chosen


def statistics(logits: Tensor, top: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of logits [N, V] and chosen tokens [N]: these, their probabilities, the likeliest ones' leads and the entropies.

    [N] all. The last two are zero unless `full`.
    """
    chosen = logits.gather(1, top[:, None])
    if not full:
        zero = torch.zeros_like(chosen[:, 0])
        return top, 1 / (logits - chosen).exp_().sum(dim=-1), zero, zero
    logs = logits.log_softmax(dim=-1)
    best = logs.topk(2, dim=-1).values.exp()
    entropy = torch.special.entr(logs.exp()).sum(dim=-1)
    return top, logs.gather(1, top[:, None])[:, 0].exp(), best[:, 0] - best[:, 1], entropy


def keep_running(slots: list[Slot], cache: KVCache | None) -> list[Slot]:
    """The slots whose rows have not ended; the cache drops the others."""
    kept = [place for place, slot in enumerate(slots) if not slot.row.ended]
    if cache is not None and kept and len(kept) < len(slots):
        cache.keep(kept)
    return [slots[place] for place in kept]
