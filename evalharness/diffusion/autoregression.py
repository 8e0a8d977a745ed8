"""One token after the other, and the same text sooner: the network drafts a block by diffusion and then verifies it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.decoding import prefill
from evalharness.diffusion.forward import Piece, causal_piece, gather, run
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Draws, Row, mark

if TYPE_CHECKING:
    from evalharness.diffusion.kernels.engine import Engine


@torch.inference_mode()
def autoregress(model: Transformer, rows: Sequence[Row], draws: Draws, engine: Engine | None = None) -> None:
    """Generates the rows, in place, until each has ended; a pass per token, that of the prompt's last one included.

    Behind the prompts an `engine` of the same network takes over, where there is one and it takes such `draws`.
    """
    if not rows:
        return
    if engine is not None and engine.takes(draws):
        room, start = engine.cache(rows, draws), time.perf_counter()
        _begin(model, rows, 0, start, room)
        engine.follow(rows, _push, start)
        return
    start = time.perf_counter()
    cache = _begin(model, rows, 0, start)
    active = list(rows)
    while active:
        hidden = run(model, [causal_piece(row.cached, row.text[row.cached :]) for row in active], cache)
        found = _choose(model, hidden, active, [0], 0, draws)
        for row, (token,) in zip(active, found, strict=True):
            row.forwards += 1
            _push(row, token)
        mark(active, start)
        active = _running(active, cache)


@torch.inference_mode()
def speculate(model: Transformer, rows: Sequence[Row], block: int, draws: Draws) -> None:
    """The text of `autoregress`, greedy or drawn: a pass drafts a block, the next one says what follows each token.

    The pass that drafts computes the last final token too, so that the first token of a draft is certain. The first
    token that is not what the network says follows those before it is replaced by that.
    Source: self-speculation of a jointly trained network, as LinearSpec of Nemotron-Labs Diffusion (SGLang).
    """
    if not rows:
        return
    start = time.perf_counter()
    cache = _begin(model, rows, block, start)
    active = list(rows)
    while active:
        drafts = _draft(model, active, block, draws, cache)
        pieces = [causal_piece(len(row.text), draft) for row, draft in zip(active, drafts, strict=True)]
        found = _choose(model, run(model, pieces, cache), active, range(block), 1, draws)
        for row, draft, follows in zip(active, drafts, found, strict=True):
            row.forwards += 2
            agreed = next((place for place in range(1, block) if draft[place] != follows[place - 1]), block)
            for token in (*draft[:agreed], follows[agreed - 1]):
                if not row.ended:
                    _push(row, token)
        mark(active, start)
        active = _running(active, cache)


def _begin(model: Transformer, rows: Sequence[Row], block: int, start: float, cache: KVCache | None = None) -> KVCache:
    """The cache of all but the last token of each prompt, whose pass gives the first token."""
    for row in rows:
        row.text = row.prompt[:-1]
    cache = prefill(model, rows, block, start, cache)
    for row in rows:
        row.text, row.cached = list(row.prompt), len(row.prompt) - 1
    return cache


def _draft(model: Transformer, rows: Sequence[Row], block: int, draws: Draws, cache: KVCache) -> list[list[int]]:
    """`block` tokens for each row, what follows its last final token and what the masks behind that one say."""
    pieces = []
    for row in rows:
        end = len(row.text)
        limits = [end - 1, *[end + block - 1] * block]
        pieces.append(Piece(row.cached, [row.text[-1], *[model.config.mask_id] * block], limits))
    return _choose(model, run(model, pieces, cache), rows, [0, *range(2, block + 1)], 0, draws)


def _choose(
    model: Transformer, hidden: Tensor, rows: Sequence[Row], places: Sequence[int], ahead: int, draws: Draws
) -> list[list[int]]:
    """A token for each of the `places` of each row's piece: its output tokens from the one `ahead` on, in order.

    A row's n-th output token is drawn at its n-th number, whoever asks for it, so that drafts agree where they can.
    """
    logits = draws.allowed(model.logits(gather(hidden, [(row, place) for row in range(len(rows)) for place in places])))
    uniforms: list[float] = []
    if draws.temperature:
        for row in rows:
            done = len(row.text) - len(row.prompt) + ahead
            uniforms += [row.uniform(done + number) for number in range(len(places))]
    tokens = draws.choose(logits, uniforms).tolist()
    return [tokens[first : first + len(places)] for first in range(0, len(tokens), len(places))]


def _push(row: Row, token: int) -> None:
    """Takes a final token; the cache holds all before it."""
    row.push(token, row.forwards - 1, len(row.text) - len(row.prompt))
    row.cached = len(row.text)
    row.text.append(token)


def _running(rows: list[Row], cache: KVCache) -> list[Row]:
    kept = [place for place, row in enumerate(rows) if not row.ended]
    if kept and len(kept) < len(rows):
        cache.keep(kept)
    return [rows[place] for place in kept]
