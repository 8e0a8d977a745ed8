"""One forward pass over pieces of text of any lengths, each at a place of its own in its row."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.network import Transformer


@dataclass(frozen=True)
class Piece:
    """What a row brings to a pass. `limits` names for each token the last position that it sees."""

    start: int
    """The position of the first token: what is before it lies in the cache."""
    tokens: Sequence[int]
    limits: Sequence[int]


def causal_piece(start: int, tokens: Sequence[int]) -> Piece:
    """Each token sees itself and what is before it."""
    return Piece(start, tokens, range(start, start + len(tokens)))


def run(model: Transformer, pieces: Sequence[Piece], cache: KVCache | None) -> Tensor:
    """Hidden states [rows, T, hidden], T the longest piece; what is behind a shorter piece's end means nothing.

    Without a cache every piece begins at position 0.
    """
    device = model.embed.weight.device
    size = max(len(piece.tokens) for piece in pieces)
    starts = [piece.start for piece in pieces]
    end = max(starts) + size
    tokens = torch.tensor([[*piece.tokens, *[0] * (size - len(piece.tokens))] for piece in pieces], device=device)
    if len(pieces) == 1:
        positions = torch.arange(starts[0], end, device=device)[None]
    else:
        positions = torch.tensor(starts, device=device)[:, None] + torch.arange(size, device=device)
    mask = None
    if any(len(piece.tokens) < size or min(piece.limits) < end - 1 for piece in pieces):
        # Padding sees the first slot: to see nothing at all would be no number.
        limits = [[*piece.limits, *[0] * (size - len(piece.limits))] for piece in pieces]
        mask = (torch.arange(end, device=device) <= torch.tensor(limits, device=device)[:, :, None])[:, None]
    if cache is not None:
        cache.seek(starts, size)
    hidden: Tensor = model(tokens, positions, mask, cache)
    return hidden


def gather(hidden: Tensor, places: Sequence[tuple[int, int]]) -> Tensor:
    """Hidden states [len(places), hidden] at these (row, token) of a pass."""
    size = hidden.shape[1]
    flat = torch.tensor([row * size + token for row, token in places], device=hidden.device)
    return hidden.flatten(0, 1)[flat]
