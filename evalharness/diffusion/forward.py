"""Forward passes over a batch whose rows compute different numbers of tokens at different positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.network import RowPacking, Transformer


@dataclass(frozen=True)
class RowInput:
    """The input of one row (sequence) to a forward pass: consecutive tokens, and what each of them attends to."""

    start: int
    """The position of the first token; the tokens before it are in the KV cache."""
    tokens: Sequence[int]
    limits: Sequence[int]
    """For each token, the last position that it attends to."""


def make_causal_input(start: int, tokens: Sequence[int]) -> RowInput:
    """Returns a row's input with causal attention: `tokens`, the first of them at position `start`."""
    return RowInput(start, tokens, range(start, start + len(tokens)))


def forward_rows(model: Transformer, inputs: Sequence[RowInput], cache: KVCache | None) -> Tensor:
    """Runs one forward pass over a batch of rows; returns the hidden states [rows, T, hidden].

    There is one input per row, and T is the number of tokens of the longest one. States after the end of a shorter
    input are undefined. Without a cache, every input must start at position 0.
    """
    device = model.embed.weight.device
    size = max(len(row_input.tokens) for row_input in inputs)
    starts = [row_input.start for row_input in inputs]
    end = max(starts) + size
    lengths = [len(row_input.tokens) for row_input in inputs]
    packing = _plan_row_packing(lengths, device) if min(lengths) < size else None
    if packing is None:
        tokens = torch.tensor([list(row_input.tokens) for row_input in inputs], device=device)
    else:
        tokens = torch.tensor([[token for row_input in inputs for token in row_input.tokens]], device=device)
    if len(inputs) == 1:
        positions = torch.arange(starts[0], end, device=device)[None]
    else:
        positions = torch.tensor(starts, device=device)[:, None] + torch.arange(size, device=device)
    mask = None
    if any(len(row_input.tokens) < size or min(row_input.limits) < end - 1 for row_input in inputs):
        # Padding attends to the first slot, because softmax over no slot is NaN.
        limits = [[*row_input.limits, *[0] * (size - len(row_input.limits))] for row_input in inputs]
        mask = (torch.arange(end, device=device) <= torch.tensor(limits, device=device)[:, :, None])[:, None]
    if cache is not None:
        cache.set_write_slots(starts, size)
    hidden: Tensor = model(tokens, positions, mask, cache, packing)
    return hidden if packing is None else packing.pad(hidden)


def _plan_row_packing(row_lengths: Sequence[int], device: torch.device) -> RowPacking:
    """Returns the indices that join rows of these lengths without padding, and those that pad the joined rows again."""
    size = max(row_lengths)
    padded: list[int] = []
    packed: list[int] = []
    for row, length in enumerate(row_lengths):
        first = len(packed)
        # Some token stands in for the padding, so that nothing is computed from undefined values.
        padded += [*range(first, first + length), *[max(0, first + length - 1)] * (size - length)]
        packed += range(row * size, row * size + length)
    return RowPacking(len(row_lengths), size, torch.tensor(padded, device=device), torch.tensor(packed, device=device))


def gather_hidden_states(hidden: Tensor, row_token_indices: Sequence[tuple[int, int]]) -> Tensor:
    """Returns the hidden states [N, hidden] at N (row, token) indices of a forward pass, whose states are `hidden`."""
    size = hidden.shape[1]
    indices = torch.tensor([row * size + token for row, token in row_token_indices], device=hidden.device)
    return hidden.flatten(0, 1)[indices]
