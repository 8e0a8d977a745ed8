"""Kernels around the drafter's forward pass: its input before, the drafted tokens after it, and context features."""

import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.drafting.state import SpeculationState
from evalharness.diffusion.kernels.launch import begin_kernel, launch_options
from evalharness.diffusion.kernels.layout import StepInput
from evalharness.diffusion.kernels.norm import warps_per_row


@triton.jit(do_not_specialize=["stride", "capacity"])
def write_drafter_input_of_sequence(
    live: tl.tensor, done: tl.tensor, last: tl.tensor, cached: tl.tensor, offsets: tl.tensor, index: tl.tensor,
    features: tl.tensor, tokens: tl.tensor, positions: tl.tensor, limits: tl.tensor, previous: tl.tensor,
    draft_offsets: tl.tensor, before: tl.tensor, stride: tl.tensor, capacity: tl.tensor, hidden: tl.tensor,
    L: tl.constexpr, DEPTHS: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_H: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: writes the drafter's input for each sequence, the block to draft; one program per sequence.

    It writes `tokens`, `positions` and `limits` (fields of `StepInput`), `previous`, `draft_offsets` and `before`, and
    only reads the other tensors; `write_drafter_input` describes them.
    """
    if not begin_kernel(live, PDL):
        return
    sequence = tl.program_id(0)
    idle = tl.load(done + sequence) != 0
    anchor, start = tl.load(last + sequence), tl.load(cached + sequence)
    t = tl.arange(0, BLOCK_T)
    row = sequence * L + t
    tl.store(tokens + row, tl.where(t == 0, anchor, 0), mask=t < L)
    tl.store(positions + row, tl.where(idle, -1, start + t), mask=t < L)
    tl.store(limits + row, tl.where(idle, -1, start + L - 1 + 0 * t), mask=t < L)
    tl.store(previous + sequence, tl.load(index + anchor))
    tl.store(draft_offsets + t * stride + sequence, tl.load(offsets + sequence) + t, mask=t < DEPTHS)
    column = tl.arange(0, BLOCK_H)
    source = features + (sequence.to(tl.int64) * capacity + start - 1) * hidden
    feature = tl.load(source + column, mask=(column < hidden) & (start > 0), other=0.0)
    tl.store(before + sequence * hidden + column, feature, mask=column < hidden)


@triton.jit
def embed_block_row(
    live: tl.tensor, tokens: tl.tensor, table: tl.tensor, masks: tl.tensor, residual: tl.tensor, hidden: tl.tensor,
    L: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: writes the input embedding of each token of the drafted blocks to `residual`; one program per token.

    A block has L tokens: the first one is looked up in `table`, the others are mask tokens with the embeddings `masks`.
    """
    if not begin_kernel(live, PDL):
        return
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    valid = column < hidden
    place = row % L
    source = masks + (place - 1) * hidden
    if place == 0:
        source = table + tl.load(tokens + row).to(tl.int64) * hidden
    tl.store(residual + row * hidden + column, tl.load(source + column, mask=valid), mask=valid)


@triton.jit(do_not_specialize=["stride"])
def write_drafted_tokens_of_sequence(
    live: tl.tensor, done: tl.tensor, uses_drafter: tl.tensor, limit: tl.tensor, output_length: tl.tensor,
    chosen: tl.tensor, vocabulary: tl.tensor, drafts: tl.tensor, draft_length: tl.tensor, stride: tl.tensor,
    D: tl.constexpr, DEPTHS: tl.constexpr, BLOCK_T: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: writes each sequence's drafted token ids and their number; one program per sequence.

    It writes `drafts` and `draft_length`. Drafts are cut so that the sequences do not exceed their output limits.
    """
    if not begin_kernel(live, PDL):
        return
    sequence = tl.program_id(0)
    if (tl.load(uses_drafter + sequence) == 0) | (tl.load(done + sequence) != 0):
        return
    # The target adds a token to the draft.
    room = tl.load(limit + sequence) - tl.load(output_length + sequence) - 1
    length = tl.maximum(tl.minimum(room, DEPTHS), 0)
    t = tl.arange(0, BLOCK_T)
    valid = t < length
    token = tl.load(vocabulary + tl.load(chosen + t * stride + sequence, mask=valid, other=0), mask=valid, other=0)
    tl.store(drafts + sequence * D + t, token, mask=valid)
    tl.store(draft_length + sequence, length)


@triton.jit(do_not_specialize=["size", "capacity"])
def store_context_feature_row(
    live: tl.tensor, features: tl.tensor, positions: tl.tensor, stored: tl.tensor, size: tl.tensor,
    capacity: tl.tensor, hidden: tl.tensor, BLOCK: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: stores the context feature of each token at the token's position in `stored`; one program per token."""
    if not begin_kernel(live, PDL):
        return
    row = tl.program_id(0).to(tl.int64)
    position = tl.load(positions + row)
    if position < 0:
        return
    column = tl.arange(0, BLOCK)
    valid = column < hidden
    target = stored + ((row // size) * capacity + position) * hidden
    tl.store(target + column, tl.load(features + row * hidden + column, mask=valid), mask=valid)


def write_drafter_input(
    state: SpeculationState, step_input: StepInput, vocabulary_index: Tensor, features: Tensor,
    last_token_indices: Tensor, random_number_indices: Tensor, feature_before: Tensor,
) -> None:  # fmt: skip
    """Writes the input of a drafter pass to `step_input`: for each sequence of the `state`, a block of L tokens.

    A block begins with the sequence's last token; each of its tokens attends to the text before and the whole block.
    `vocabulary_index` [target vocabulary] holds each token's index in the draft vocabulary, and `features`
    [B, capacity, hidden] each position's context feature. Three more results are written: `last_token_indices` [B], the
    last tokens' indices in the draft vocabulary; `feature_before` [B, hidden], the context features of the positions
    before the blocks (zeros at the start of a text); and random_number_indices[d, b], the index of the random number
    that samples the d-th drafted token of sequence b.
    """
    sequences, length = state.last.shape[0], step_input.tokens.shape[0] // state.last.shape[0]
    hidden = feature_before.shape[1]
    write_drafter_input_of_sequence[(sequences,)](
        state.live, state.done, state.last, state.cached, state.offsets, vocabulary_index, features, step_input.tokens,
        step_input.positions, step_input.limits, last_token_indices, random_number_indices, feature_before,
        random_number_indices.stride(0), features.shape[1], hidden, L=length, DEPTHS=random_number_indices.shape[0],
        BLOCK_T=triton.next_power_of_2(length), BLOCK_H=triton.next_power_of_2(hidden),
        num_warps=warps_per_row(hidden), **launch_options(state.live),
    )  # fmt: skip


def embed_blocks(
    tokens: Tensor, embedding_table: Tensor, mask_embeddings: Tensor, residual: Tensor, live_count: Tensor
) -> None:
    """Writes the input embeddings of drafted blocks, of L tokens each, to `residual` [B * L, hidden].

    The first token of a block is looked up in `embedding_table`; the others are mask tokens with the embeddings
    `mask_embeddings` [L - 1, hidden]. `tokens` are the token ids, int32 [B * L]. `live_count` [1] is the number of
    sequences that still decode; at 0 nothing is computed.
    """
    rows, hidden = residual.shape
    embed_block_row[(rows,)](
        live_count, tokens, embedding_table, mask_embeddings, residual, hidden, L=mask_embeddings.shape[0] + 1,
        BLOCK=triton.next_power_of_2(hidden), num_warps=warps_per_row(hidden), **launch_options(live_count),
    )  # fmt: skip


def write_drafted_tokens(state: SpeculationState, chosen_indices: Tensor, draft_vocabulary: Tensor) -> None:
    """Writes the tokens that the drafter chose to the `state`, as drafts of the sequences that use the drafter.

    chosen_indices[d, b] is the d-th drafted token of sequence b, as index in the `draft_vocabulary` [V], which holds
    token ids; both are int32. Drafts are cut so that the sequences do not exceed their output limits.
    """
    sequences, longest = state.drafts.shape
    depths = chosen_indices.shape[0]
    write_drafted_tokens_of_sequence[(sequences,)](
        state.live, state.done, state.uses_drafter, state.limit, state.output_length, chosen_indices, draft_vocabulary,
        state.drafts, state.draft_length, chosen_indices.stride(0), D=longest, DEPTHS=depths,
        BLOCK_T=triton.next_power_of_2(depths), num_warps=1, **launch_options(state.live),
    )  # fmt: skip


def store_context_features(features: Tensor, positions: Tensor, feature_cache: Tensor, live_count: Tensor) -> None:
    """Stores the context features [N, hidden] of N = B * T tokens at the tokens' `positions` [N] in `feature_cache`.

    `feature_cache` is [B, capacity, hidden]. Tokens at position -1 are padding, and are not stored. `live_count` [1] is
    the number of sequences that still decode; at 0 nothing is stored.
    """
    rows, hidden = features.shape
    sequences, capacity, _ = feature_cache.shape
    store_context_feature_row[(rows,)](
        live_count, features, positions, feature_cache, rows // sequences, capacity, hidden,
        BLOCK=triton.next_power_of_2(hidden), num_warps=warps_per_row(hidden), **launch_options(live_count),
    )  # fmt: skip
