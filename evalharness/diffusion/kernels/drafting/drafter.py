"""The drafter network on the kernels: drafts a block in one forward pass, and extends its context by target states.

The results equal those of `diffusion.drafting.network.Drafter`. The Markov head chooses tokens from left to right: the
output head's logits of all positions are computed once, and each position adds the product of a small matrix.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from evalharness.diffusion.drafting.network import Drafter, DrafterCache, DrafterLayer
from evalharness.diffusion.kernels import gemm, head, norm, qkv
from evalharness.diffusion.kernels.drafting import block
from evalharness.diffusion.kernels.drafting.state import SpeculationState
from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.kernel_options import Precision
from evalharness.diffusion.kernels.launch import ceil_div
from evalharness.diffusion.kernels.step import (
    KernelWeights,
    StepBuffers,
    new_step_buffers,
    read_layer_weights,
    read_matrix,
    run_layers,
)


@dataclass(frozen=True)
class DrafterWeights:
    """The weights of a drafter in the form that the kernels read; fields that `Drafter` also has are named as there."""

    network: KernelWeights
    """The layers, the last norm, the target's embedding, and its output head for the V tokens that can be drafted."""
    taps: tuple[int, ...]
    tap_gains: tuple[Tensor | None, ...]
    fuse: Matrix
    fuse_gain: Tensor
    context: tuple[Matrix, ...]
    """Of each layer, the rows of the QKV matrix for keys and values."""
    context_bias: tuple[Tensor | None, ...]
    mask: Tensor
    carry: Matrix | None
    previous: Tensor
    """[V + 1, rank]."""
    following: Matrix
    vocabulary: Tensor
    """[V], int32."""
    index: Tensor
    """[vocabulary], int32: the index in the draft vocabulary of each token id."""

    @property
    def block_length(self) -> int:
        """The number of tokens that are drafted in one forward pass."""
        return self.mask.shape[0] + 1

    @property
    def bytes_per_pass(self) -> int:
        """The bytes of weights that are read to draft one block and to add the last pass's tokens to the context."""
        matrices = [
            self.fuse,
            *self.context,
            *([self.carry] if self.carry else []),
            *[self.following] * self.block_length,
        ]
        own = sum(matrix.values.numel() * matrix.values.element_size() for matrix in matrices)
        return own + self.network.bytes_per_pass


def read_drafter_weights(drafter: Drafter) -> DrafterWeights:
    """Returns the weights of a drafter in the form that the kernels read. They share memory with the drafter."""
    parts, plain = drafter.attached_target, Precision()
    config = replace(drafter.config.network, attention="causal")
    layers = [layer for layer in drafter.layers if isinstance(layer, DrafterLayer)]
    queries = config.heads * config.head_dim
    restricted_head = parts.head
    assert isinstance(restricted_head, nn.Linear)
    embed, gain = parts.target.embed.weight.detach(), drafter.norm.weight
    return DrafterWeights(
        network=KernelWeights(
            config,
            embed,
            tuple(read_layer_weights(layer, plain) for layer in layers),
            gain,
            read_matrix(restricted_head, plain),
            plain,
        ),
        taps=drafter.config.taps,
        tap_gains=tuple(part.weight if isinstance(part, nn.RMSNorm) else None for part in drafter.tap_norms),
        fuse=read_matrix(drafter.fuse, plain),
        fuse_gain=drafter.fuse_norm.weight,
        context=tuple(Matrix(layer.qkv.weight.detach()[queries:]) for layer in layers),
        context_bias=tuple(None if layer.qkv.bias is None else layer.qkv.bias[queries:] for layer in layers),
        mask=drafter.mask.detach(),
        carry=None if drafter.carry is None else read_matrix(drafter.carry, plain),
        previous=drafter.previous.weight.detach(),
        following=read_matrix(drafter.following, plain),
        vocabulary=drafter.vocabulary,
        index=parts.index.int(),
    )


@dataclass(frozen=True)
class DrafterBuffers:
    """The buffers through which the drafter's kernels pass data, for B sequences and verifying passes of N tokens."""

    step: StepBuffers
    """Of the drafter's own forward pass over B * block rows."""
    taps: Tensor
    """[N, taps * hidden]: the target's normalized hidden states."""
    fused: Tensor
    """Partial products of the matrix `fuse`, [splits, N, hidden], float32."""
    features: Tensor
    """[N, hidden]: context features."""
    context: Tensor
    """Partial products of keys and values, [splits, N, 2 * kv_heads * head_dim], float32."""
    before: Tensor
    """[B, hidden]: the context features before the blocks."""
    carried: Tensor | None
    """Partial products of the matrix `carry`, [splits, B, block * hidden], float32."""
    logits: Tensor
    """Partial products of the output head, [splits, B * block, V], float32."""
    chosen: Tensor
    """[1 + depths, stride]: the last tokens and then the drafted ones, as indices in the draft vocabulary, int32."""
    offsets: Tensor
    """[depths, stride]: the indices of the random numbers, int32."""
    sequences: Tensor
    """[B]: the numbers of the sequences, int32."""
    count: Tensor
    """[1]: B, int32."""


def new_drafter_buffers(
    weights: DrafterWeights, cache: DrafterCache, tokens_per_sequence: int, draft_length: int
) -> DrafterBuffers:
    """Returns new buffers for the drafter's kernels, for the sequences of its KV cache.

    A verifying pass has `tokens_per_sequence` tokens per sequence. `draft_length`, the number of tokens to draft per
    sequence, is at most the drafter's block length.
    """
    config, device, dtype = weights.network.config, weights.network.embed.device, weights.network.embed.dtype
    sequences = cache.row_count
    rows = sequences * tokens_per_sequence
    # The rows of `chosen` and `offsets` start at multiples of 16 bytes, so that the compiler can use wide loads.
    stride = ceil_div(sequences, 4) * 4

    def empty_partial_products(weight: Matrix, rows: int) -> Tensor:
        width, inner = weight.values.shape
        return torch.empty(gemm.plan_matmul_tiling(width, inner, rows).splits, rows, width, device=device)

    return DrafterBuffers(
        step=new_step_buffers(weights.network, cache, weights.block_length, 1, ()),
        taps=torch.empty(rows, len(weights.taps) * config.hidden, dtype=dtype, device=device),
        fused=empty_partial_products(weights.fuse, rows),
        features=torch.empty(rows, config.hidden, dtype=dtype, device=device),
        context=empty_partial_products(weights.context[0], rows),
        before=torch.empty(sequences, config.hidden, dtype=dtype, device=device),
        carried=None if weights.carry is None else empty_partial_products(weights.carry, sequences),
        logits=empty_partial_products(weights.network.head, sequences * weights.block_length),
        chosen=torch.zeros(1 + draft_length, stride, dtype=torch.int32, device=device),
        offsets=torch.zeros(draft_length, stride, dtype=torch.int32, device=device),
        sequences=torch.arange(sequences, dtype=torch.int32, device=device),
        count=torch.full((1,), sequences, dtype=torch.int32, device=device),
    )


def record_tapped_states(
    weights: DrafterWeights, buffers: DrafterBuffers, layer: int, residual: Tensor, live_count: Tensor
) -> None:
    """Stores the target's hidden states after layer number `layer`, if the drafter uses this layer (`taps`).

    `residual` [N, hidden] are the hidden states of the N tokens of a verifying pass. `live_count` [1] is the number of
    sequences that still decode; at 0 nothing is stored.
    """
    hidden = weights.network.config.hidden
    for number, tap in enumerate(weights.taps):
        if tap == layer:
            own = buffers.taps[:, number * hidden : (number + 1) * hidden]
            gain, eps = weights.tap_gains[number], weights.network.config.norm_eps
            norm.sum_and_norm(residual[None], gain, eps, own, live_count)


def extend_drafter_context(
    weights: DrafterWeights, buffers: DrafterBuffers, cache: DrafterCache, positions: Tensor, live_count: Tensor
) -> None:
    """Adds the N tokens of a verifying pass to the drafter's context (its KV cache), at their `positions` [N].

    It reads the hidden states that `record_tapped_states` stored. Tokens that the target rejects are overwritten in the
    next pass, before a block attends to them. `live_count` [1] is the number of sequences that still decode; at 0
    nothing is computed.
    """
    b, eps = buffers, weights.network.config.norm_eps
    gemm.split_matmul(b.taps, weights.fuse, b.fused, live_count)
    norm.sum_and_norm(b.fused, weights.fuse_gain, eps, b.features, live_count)
    block.store_context_features(b.features, positions, cache.context_features, live_count)
    for number, layer in enumerate(weights.network.layers):
        gemm.split_matmul(b.features, weights.context[number], b.context, live_count)
        keys, values = cache.layer_keys_and_values(number)
        # There are no queries: all heads are keys or values, and `features` is not written.
        qkv.rope_and_cache(
            b.context, weights.context_bias[number], layer.q_norm, layer.k_norm, eps, b.step.table, positions,
            b.features, keys, values, live_count,
        )  # fmt: skip


def draft_tokens(
    weights: DrafterWeights, buffers: DrafterBuffers, cache: DrafterCache, state: SpeculationState, temperature: float
) -> None:
    """Drafts tokens in one forward pass, for the sequences that use the drafter, and writes them to the `state`.

    At a `temperature` above 0, each token is sampled with the random number of its position; the target uses the same
    number in verification.
    """
    b, step, live, network = buffers, buffers.step, state.live, weights.network
    gain, eps = network.layers[0].attention_norm, network.config.norm_eps
    block.write_drafter_input(
        state, step.step_input, weights.index, cache.context_features, b.chosen[0], b.offsets, b.before
    )
    block.embed_blocks(step.step_input.tokens, network.embed, weights.mask, step.residual, live)
    if weights.carry is not None and b.carried is not None:
        gemm.split_matmul(b.before, weights.carry, b.carried, live)
        carried = b.carried.view(b.carried.shape[0], *step.residual.shape)
        norm.add_and_norm(carried, step.residual, gain, eps, step.normed, live)
    else:
        norm.sum_and_norm(step.residual[None], gain, eps, step.normed, live)
    run_layers(network, step, cache, live)
    gemm.split_matmul(step.normed, network.head, b.logits, live)
    count = len(b.sequences)
    for depth in range(b.offsets.shape[0]):
        noise = head.SamplingNoise(temperature, state.seeds, b.offsets[depth]) if temperature else None
        statistics = replace(step.statistics, proposed=b.chosen[depth + 1])
        head.predict_tokens(
            weights.previous, weights.following, b.chosen[depth][:count], b.sequences, b.count, step.banned, step.work,
            statistics, 1, live, noise,
            added_logits=head.AddedLogits(b.logits, depth, weights.block_length, weights.vocabulary),
        )  # fmt: skip
    block.write_drafted_tokens(state, b.chosen[1:], weights.vocabulary)
