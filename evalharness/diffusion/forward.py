"""Forward passes over a batch whose rows compute different numbers of tokens at different positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.network import RowPacking, Transformer


@dataclass(frozen=True)
class Segment:
    """The input of one row (sequence) to a forward pass: consecutive tokens."""

    start: int
    """The position of the first token; the tokens before it are in the KV cache."""
    tokens: Sequence[int]
    limits: Sequence[int]
    """For each token, the last position that it attends to."""


def causal_segment(start: int, tokens: Sequence[int]) -> Segment:
    """Returns a row's input tokens for a forward pass with causal attention."""
    return Segment(start, tokens, range(start, start + len(tokens)))


def forward_segments(model: Transformer, segments: Sequence[Segment], cache: KVCache | None) -> Tensor:
    """Runs one forward pass over a batch of rows with their own input tokens; returns hidden states [rows, T, hidden].

    There is one segment (consecutive tokens) per row, and T is the length of the longest one. Values after the end of a
    shorter segment are undefined. Without a cache, every segment has to start at position 0.
    """
    device = model.embed.weight.device
    size = max(len(segment.tokens) for segment in segments)
    starts = [segment.start for segment in segments]
    end = max(starts) + size
    lengths = [len(segment.tokens) for segment in segments]
    packing = _row_packing(lengths, device) if min(lengths) < size else None
    if packing is None:
        tokens = torch.tensor([list(segment.tokens) for segment in segments], device=device)
    else:
        tokens = torch.tensor([[token for segment in segments for token in segment.tokens]], device=device)
    if len(segments) == 1:
        positions = torch.arange(starts[0], end, device=device)[None]
    else:
        positions = torch.tensor(starts, device=device)[:, None] + torch.arange(size, device=device)
    mask = None
    if any(len(segment.tokens) < size or min(segment.limits) < end - 1 for segment in segments):
        # Padding attends to the first slot, because softmax over no slot is NaN.
        limits = [[*segment.limits, *[0] * (size - len(segment.limits))] for segment in segments]
        mask = (torch.arange(end, device=device) <= torch.tensor(limits, device=device)[:, :, None])[:, None]
    if cache is not None:
        cache.seek(starts, size)
    hidden: Tensor = model(tokens, positions, mask, cache, packing)
    return hidden if packing is None else packing.pad(hidden)


def _row_packing(lengths: Sequence[int], device: torch.device) -> RowPacking:
    """Returns where the tokens of rows with these lengths are when the rows are joined without padding."""
    size = max(lengths)
    padded: list[int] = []
    packed: list[int] = []
    for row, length in enumerate(lengths):
        first = len(packed)
        # Some token stands in for the padding, so that nothing is computed from undefined values.
        padded += [*range(first, first + length), *[max(0, first + length - 1)] * (size - length)]
        packed += range(row * size, row * size + length)
    return RowPacking(len(lengths), size, torch.tensor(padded, device=device), torch.tensor(packed, device=device))


def gather_states(hidden: Tensor, sources: Sequence[tuple[int, int]]) -> Tensor:
    """Returns the hidden states [len(sources), hidden] at these (row, token) indices of a forward pass."""
    size = hidden.shape[1]
    indices = torch.tensor([row * size + token for row, token in sources], device=hidden.device)
    return hidden.flatten(0, 1)[indices]
