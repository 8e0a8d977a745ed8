"""Kernel that writes a forward pass's input on the device: each sequence's tokens, and the rows to predict from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import begin_kernel, launch_options


@dataclass(frozen=True)
class DecodingState:
    """The decoding state of B sequences on the device.

    It holds one block of up to L tokens per sequence, or in autoregressive decoding the next L tokens. Fields are int32
    unless stated otherwise; the host writes them only between blocks. The input of a forward pass is, for each
    sequence, the first `context_length` tokens of `context`, which start at position `cached`; then the block; then,
    only for bidirectional networks, the first `tail_length` tokens of `tail`.
    """

    flat: Tensor
    """The memory of all following fields: host and device exchange it in one copy."""
    tokens: Tensor
    """[B, L]."""
    masked: Tensor
    """[B, L]: 1 for a mask."""
    length: Tensor
    """[B]: tokens of the block; 0 when tokens are generated one by one."""
    prompt_tokens: Tensor
    """[B]: tokens at the block's start that belong to the prompt."""
    counts: Tensor
    """[B, S]: the number of masks that the schedule commits in each pass; 1 after the end of the schedule."""
    limit: Tensor
    """[B]: the sequence ends after this many tokens of the block; more than L if it does not end there."""
    context: Tensor
    """[B, C]."""
    context_length: Tensor
    """[B]."""
    cached: Tensor
    """[B]."""
    tail: Tensor
    """[B, A]."""
    tail_length: Tensor
    """[B]."""
    step: Tensor
    """[B]: forward passes since the host wrote the state."""
    committed_at: Tensor
    """[B, L]: the step that committed each token."""
    confidence: Tensor
    """[B, L], float32: the token's probability in that step."""
    seeds: Tensor
    """[B], int64: the seed of a sequence's random numbers."""
    offsets: Tensor
    """[B]: the index of the random number for the block's first position in the next pass."""
    done: Tensor
    """[B]: 1 for a sequence that waits for the host."""
    live: Tensor
    """[1]: the number of sequences that do not wait."""
    end_tokens: Tensor
    """[E]: tokens that end a sequence."""


def allocate_fields_in_one_tensor(
    shapes: Mapping[str, tuple[int, ...]], device: torch.device | str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns an int32 tensor of zeros that holds all fields of these shapes, and a view of it for each field."""
    # Each field starts at a multiple of 16 bytes, so that the compiler can use wide loads.
    sizes = [-(-math.prod(shape) // 4) * 4 for shape in shapes.values()]
    flat = torch.zeros(sum(sizes), dtype=torch.int32, device=device)
    fields = zip(shapes.items(), torch.split(flat, sizes), strict=True)
    return flat, {name: part[: math.prod(shape)].view(shape) for (name, shape), part in fields}


def new_decoding_state(
    sequence_count: int,
    block_length: int,
    max_context_length: int,
    max_steps: int,
    max_end_tokens: int,
    device: torch.device | str,
    max_tokens_after_block: int = 0,
) -> DecodingState:
    """Returns a new decoding state of the given sizes on a device, in which all sequences are marked as done."""
    one, block = (sequence_count,), (sequence_count, block_length)
    shapes = {
        "tokens": block, "masked": block, "length": one, "prompt_tokens": one,
        "counts": (sequence_count, max_steps), "limit": one, "context": (sequence_count, max_context_length),
        "context_length": one, "cached": one, "tail": (sequence_count, max_tokens_after_block), "tail_length": one,
        "step": one, "committed_at": block, "confidence": block, "seeds": (sequence_count, 2), "offsets": one,
        "done": one, "live": (1,), "end_tokens": (max_end_tokens,),
    }  # fmt: skip
    flat, views = allocate_fields_in_one_tensor(shapes, device)
    views["confidence"] = views["confidence"].view(torch.float32)
    views["seeds"] = views["seeds"].view(torch.int64)[:, 0]
    views["done"].fill_(1)
    views["end_tokens"].fill_(-1)
    return DecodingState(flat, **views)


@dataclass(frozen=True)
class StepInput:
    """The input of a forward pass on the device: N = B * T rows (tokens), and from which rows the output head predicts.

    All tensors are int32.
    """

    tokens: Tensor
    """[N]; 0 in padding rows."""
    positions: Tensor
    """[N]; -1 in padding rows."""
    limits: Tensor
    """[N]: the last position that each row attends to; -1 in padding rows."""
    rows: Tensor
    """[B * L] or [B]: the rows whose states the head reads."""
    block_positions: Tensor
    """For each row in `rows`, the position in the blocks that it predicts; for next tokens, the sequence."""
    count: Tensor
    """[1]: the number of valid entries in `rows`."""


def new_step_input(
    sequence_count: int, tokens_per_sequence: int, predicted_per_sequence: int, device: torch.device | str
) -> StepInput:
    """Returns new input buffers on a device; up to `predicted_per_sequence` tokens are predicted for each sequence."""
    tokens, positions, limits = torch.zeros(3, sequence_count * tokens_per_sequence, dtype=torch.int32, device=device)
    rows, block_positions = torch.zeros(2, sequence_count * predicted_per_sequence, dtype=torch.int32, device=device)
    return StepInput(tokens, positions, limits, rows, block_positions, torch.zeros(1, dtype=torch.int32, device=device))


@triton.jit(do_not_specialize=["size", "sequences"])
def write_step_input_of_sequence(
    live: tl.tensor, done: tl.tensor, block_tokens: tl.tensor, masked: tl.tensor, length: tl.tensor, context: tl.tensor,
    context_length: tl.tensor, cached: tl.tensor, tail: tl.tensor, tail_length: tl.tensor, tokens: tl.tensor,
    positions: tl.tensor, limits: tl.tensor, rows: tl.tensor, block_positions: tl.tensor, count: tl.tensor,
    size: tl.tensor, sequences: tl.tensor, L: tl.constexpr, C: tl.constexpr, A: tl.constexpr, BLOCK: tl.constexpr,
    SHIFT: tl.constexpr, NEXT_TOKEN: tl.constexpr, WHOLE: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_L: tl.constexpr,
    BLOCK_ALL: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: writes each sequence's input to the next forward pass; one program per sequence.

    It writes the fields of `StepInput`: `tokens`, `positions`, `limits`, `rows`, `block_positions` and `count`. It only
    reads the tensors from `live` to `tail_length`, which are fields of `DecodingState`.
    """
    if not begin_kernel(live, PDL):
        return
    sequence = tl.program_id(0)
    idle = tl.load(done + sequence) != 0
    context_size, start = tl.load(context_length + sequence), tl.load(cached + sequence)
    block_length = tl.load(length + sequence)
    end = start + context_size

    t = tl.arange(0, BLOCK_T)
    in_context = (t < context_size) & ~idle
    in_block = (t >= context_size) & (t < context_size + block_length) & ~idle
    token = tl.load(context + sequence * C + t, mask=in_context, other=0)
    token += tl.load(block_tokens + sequence * L + t - context_size, mask=in_block, other=0)
    position = start + t
    limit = position
    if BLOCK > 0:
        limit = tl.minimum(end, (position // BLOCK + 1) * BLOCK) - 1
    limit = tl.where(in_context, limit, tl.where(in_block, end + block_length - 1, -1))
    valid = in_context | in_block
    if WHOLE:
        tail_size = tl.load(tail_length + sequence)
        in_tail = (t >= context_size + block_length) & (t < context_size + block_length + tail_size) & ~idle
        token += tl.load(tail + sequence * A + t - context_size - block_length, mask=in_tail, other=0)
        valid = valid | in_tail
        limit = tl.where(valid, end + block_length + tail_size - 1, -1)
    target_row = sequence * size + t
    tl.store(tokens + target_row, token, mask=t < size)
    tl.store(positions + target_row, tl.where(valid, position, -1), mask=t < size)
    tl.store(limits + target_row, limit, mask=t < size)

    all_offsets = tl.arange(0, BLOCK_ALL)
    earlier = all_offsets < sequence * L
    offset = tl.arange(0, BLOCK_L)
    if NEXT_TOKEN:
        earlier_selected = earlier & (all_offsets % L == 0)
        selected = offset == 0
        row = context_size - 1 + offset
    else:
        earlier_selected = earlier & (tl.load(masked + all_offsets, mask=earlier, other=0) != 0)
        selected = (offset < L) & (tl.load(masked + sequence * L + offset, mask=offset < L, other=0) != 0)
        row = tl.maximum(context_size + offset - SHIFT, 0)
    earlier_selected = earlier_selected & (tl.load(done + all_offsets // L, mask=earlier, other=1) == 0)
    selected = selected & ~idle
    counted = selected.to(tl.int32)
    target = tl.sum(earlier_selected.to(tl.int32), axis=0) + tl.cumsum(counted, axis=0) - counted
    tl.store(rows + target, sequence * size + row, mask=selected)
    LENGTH: tl.constexpr = 1 if NEXT_TOKEN else L
    tl.store(block_positions + target, sequence * LENGTH + offset, mask=selected)
    if sequence == sequences - 1:
        tl.store(count, tl.sum(earlier_selected.to(tl.int32), axis=0) + tl.sum(counted, axis=0))


def write_step_input(
    state: DecodingState,
    step_input: StepInput,
    *,
    block_length: int,
    shift: bool,
    autoregressive: bool,
    bidirectional: bool = False,
) -> None:
    """Writes the input of the next forward pass to `step_input`, from the decoding `state`.

    Positions of sequences that are done are -1. `block_length` is the block length of block-causal attention, 0 for
    causal attention. `shift` is `ModelConfig.shift`. The output head predicts the masks in the block or, in
    `autoregressive` decoding, the token after the input. With `bidirectional`, the input includes the tokens after the
    block, and each token attends to all others.
    """
    sequences, length = state.tokens.shape
    size, block_all = step_input.tokens.shape[0] // sequences, triton.next_power_of_2(sequences * length)
    write_step_input_of_sequence[(sequences,)](
        state.live, state.done, state.tokens, state.masked, state.length, state.context,
        state.context_length, state.cached, state.tail, state.tail_length, step_input.tokens, step_input.positions,
        step_input.limits, step_input.rows, step_input.block_positions, step_input.count, size, sequences,
        L=length, C=state.context.shape[1], A=state.tail.shape[1], BLOCK=block_length, SHIFT=int(shift),
        NEXT_TOKEN=autoregressive, WHOLE=bidirectional, BLOCK_T=triton.next_power_of_2(size),
        BLOCK_L=triton.next_power_of_2(length), BLOCK_ALL=block_all,
        num_warps=max(4, min(16, block_all // 1024)), **launch_options(state.live),
    )  # fmt: skip
