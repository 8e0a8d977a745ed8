"""A whole decoding step (forward pass and commit) as a sequence of kernels over preallocated buffers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels import attention, commit, gemm, head, mlp, norm, qkv
from evalharness.diffusion.kernels.fp8 import Matrix, allocate_fp8_matrix, quantize_rows, quantize_to_fp8
from evalharness.diffusion.kernels.kernel_options import Precision
from evalharness.diffusion.kernels.layout import DecodingState, StepInput, new_step_input, write_step_input
from evalharness.diffusion.network import Layer, Transformer


@dataclass(frozen=True)
class LayerWeights:
    """The weights of a Transformer layer in the form that the kernels read; fields are named as in `network.Layer`."""

    attention_norm: Tensor
    qkv: Matrix
    bias: Tensor | None
    q_norm: Tensor | None
    k_norm: Tensor | None
    out: Matrix
    mlp_norm: Tensor
    gate_up: Matrix
    down: Matrix


@dataclass(frozen=True)
class KernelWeights:
    """The weights of a network in the form that the kernels read: the tensors of its `Transformer`, or 8-bit copies."""

    config: ModelConfig
    embed: Tensor
    layers: tuple[LayerWeights, ...]
    norm: Tensor
    head: Matrix
    precision: Precision

    @property
    def bytes_per_pass(self) -> int:
        """The bytes of weights that one forward pass reads."""
        matrices = [self.head, *(m for layer in self.layers for m in (layer.qkv, layer.out, layer.gate_up, layer.down))]
        return sum(matrix.values.numel() * matrix.values.element_size() for matrix in matrices)


def read_kernel_weights(model: Transformer, precision: Precision | None = None) -> KernelWeights:
    """Returns the weights of a network in the form that the kernels read, with the number format of `precision`.

    They may share memory with the network, which must not be trained afterwards.
    """
    precision = precision or Precision()
    layers = tuple(read_layer_weights(layer, precision) for layer in model.layers if isinstance(layer, Layer))
    assert len(layers) == len(model.layers)
    head = read_matrix(model.head, precision)
    return KernelWeights(model.config, model.embed.weight.detach(), layers, model.norm.weight, head, precision)


def read_layer_weights(layer: Layer, precision: Precision) -> LayerWeights:
    """Returns the weights of one Transformer layer in the form that the kernels read, in the format of `precision`."""
    q_norm, k_norm = (layer.q_norm.weight, layer.k_norm.weight) if layer.config.qk_norm else (None, None)
    return LayerWeights(
        attention_norm=layer.attention_norm.weight,
        qkv=read_matrix(layer.qkv, precision),
        bias=layer.qkv.bias,
        q_norm=q_norm,
        k_norm=k_norm,
        out=read_matrix(layer.out, precision),
        mlp_norm=layer.mlp_norm.weight,
        gate_up=read_matrix(layer.gate_up, precision),
        down=read_matrix(layer.down, precision),
    )


def read_matrix(linear: torch.nn.Linear, precision: Precision) -> Matrix:
    """Returns the weight matrix of a linear layer for the kernels, in the number format of `precision`."""
    weight = linear.weight.detach()
    return Matrix(weight) if precision.weights == "network" else quantize_to_fp8(weight)


@dataclass(frozen=True)
class StepBuffers:
    """The buffers through which the kernels of a decoding step pass data, for N rows (tokens) of B sequences."""

    step_input: StepInput
    residual: Tensor
    """[N, hidden]. This and `normed`, `queries`, `attended` and `gated` have the network's precision."""
    normed: Tensor
    queries: Tensor
    attended: Tensor
    gated: Tensor
    products: tuple[Tensor, Tensor, Tensor]
    """Partial products of qkv, out and down, [splits, N, width] each, float32."""
    quantized: tuple[Matrix, Matrix, Matrix] | None
    """8-bit copies of `normed`, `attended` and `gated`, if the products take 8-bit activations."""
    partials: Tensor
    """Work space of attention: `partials` and `log_sums`."""
    log_sums: Tensor
    table: qkv.RopeTable
    statistics: head.TokenStatistics
    work: head.HeadWorkspace
    banned: Tensor


def new_step_buffers(
    weights: KernelWeights,
    cache: KVCache,
    tokens_per_sequence: int,
    predicted_per_sequence: int,
    banned_tokens: tuple[int, ...],
) -> StepBuffers:
    """Returns new buffers for decoding steps of the sequences of the KV cache.

    Each sequence has `tokens_per_sequence` input tokens, and up to `predicted_per_sequence` tokens are predicted for
    it. `banned_tokens` are never generated.
    """
    config, device, dtype = weights.config, weights.embed.device, weights.embed.dtype
    rows, wide = cache.row_count * tokens_per_sequence, config.heads * config.head_dim
    group = config.heads // config.kv_heads
    splits = attention.choose_cache_splits(cache.capacity, cache.row_count, config.kv_heads, tokens_per_sequence, group)

    def empty_tensor(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=device)

    def empty_partial_products(weight: Matrix) -> Tensor:
        width, inner = weight.values.shape
        tiling = gemm.plan_matmul_tiling(width, inner, rows, weight.scale is not None)
        return empty_tensor(tiling.splits, rows, width, dtype=torch.float32)

    layer = weights.layers[0]
    quantized = None
    if weights.precision.quantizes_activations(rows):
        quantized = (
            allocate_fp8_matrix(rows, config.hidden, device),
            allocate_fp8_matrix(rows, wide, device),
            allocate_fp8_matrix(rows, config.intermediate, device),
        )
    floats = empty_tensor(4, cache.row_count * predicted_per_sequence, dtype=torch.float32)
    return StepBuffers(
        step_input=new_step_input(cache.row_count, tokens_per_sequence, predicted_per_sequence, device),
        residual=empty_tensor(rows, config.hidden),
        normed=empty_tensor(rows, config.hidden),
        queries=empty_tensor(rows, wide),
        attended=empty_tensor(rows, wide),
        gated=empty_tensor(rows, config.intermediate),
        products=(
            empty_partial_products(layer.qkv),
            empty_partial_products(layer.out),
            empty_partial_products(layer.down),
        ),
        quantized=quantized,
        partials=empty_tensor(splits, rows, config.heads, config.head_dim, dtype=torch.float32),
        log_sums=empty_tensor(splits, rows, config.heads, dtype=torch.float32),
        table=qkv.make_rope_table(config, cache.capacity, dtype, device),
        statistics=head.TokenStatistics(
            empty_tensor(cache.row_count * predicted_per_sequence, dtype=torch.int32), *floats
        ),
        work=head.allocate_workspace(config.vocab_size, cache.row_count * predicted_per_sequence, device),
        banned=torch.tensor(banned_tokens, dtype=torch.int32, device=device),
    )


AfterLayer = Callable[[int], None]


def forward(
    weights: KernelWeights,
    buffers: StepBuffers,
    cache: KVCache,
    live_count: Tensor,
    after_layer: AfterLayer | None = None,
) -> None:
    """Runs the network's forward pass with kernels, on the tokens in `buffers.step_input`.

    It writes the final hidden states, after the last norm, to `buffers.normed`, and keys and values to the KV cache.
    `after_layer`: see `run_layers`. `live_count` [1] is the number of sequences that still decode; at 0 nothing is
    computed.
    """
    b, gain, eps = buffers, weights.layers[0].attention_norm, weights.config.norm_eps
    norm.embed_and_norm(b.step_input.tokens, weights.embed, gain, eps, b.residual, b.normed, live_count)
    run_layers(weights, buffers, cache, live_count, after_layer)


def run_layers(
    weights: KernelWeights,
    buffers: StepBuffers,
    cache: KVCache,
    live_count: Tensor,
    after_layer: AfterLayer | None = None,
) -> None:
    """Runs all Transformer layers and the last norm on the input embeddings in `buffers.residual`.

    `buffers.normed` must hold the same embeddings after the first layer's norm. After each layer, `after_layer` is
    called with the layer's number; `buffers.residual` then holds the layer's output. `live_count` [1] is the number of
    sequences that still decode; at 0 nothing is computed.
    """
    config, b = weights.config, buffers
    eps = config.norm_eps
    gains = [*(layer.attention_norm for layer in weights.layers[1:]), weights.norm]

    def quantize_if_needed(x: Tensor, buffer_index: int) -> Tensor | Matrix:
        if b.quantized is None:
            return x
        quantize_rows(x, b.quantized[buffer_index], live_count)
        return b.quantized[buffer_index]

    for number, (layer, gain) in enumerate(zip(weights.layers, gains, strict=True)):
        # A bidirectional network computes every key anew, so its layers share one layer's cache.
        keys, values = cache.layer_keys_and_values(0 if config.attention == "bidirectional" else number)
        heads, out, down = b.products
        gemm.split_matmul(quantize_if_needed(b.normed, 0), layer.qkv, heads, live_count)
        qkv.rope_and_cache(
            heads, layer.bias, layer.q_norm, layer.k_norm, eps, b.table, b.step_input.positions, b.queries, keys,
            values, live_count,
        )  # fmt: skip
        attention.attend(b.queries, keys, values, b.step_input.limits, b.partials, b.log_sums, b.attended, live_count)
        gemm.split_matmul(quantize_if_needed(b.attended, 1), layer.out, out, live_count)
        norm.add_and_norm(out, b.residual, layer.mlp_norm, eps, b.normed, live_count)
        mlp.gate_up(quantize_if_needed(b.normed, 0), layer.gate_up, b.gated, live_count)
        gemm.split_matmul(quantize_if_needed(b.gated, 2), layer.down, down, live_count)
        norm.add_and_norm(down, b.residual, gain, eps, b.normed, live_count)
        if after_layer is not None:
            after_layer(number)


def run_decoding_step(
    weights: KernelWeights, state: DecodingState, buffers: StepBuffers, cache: KVCache,
    policy: commit.CommitPolicy | None, block_length: int, temperature: float = 0.0,
) -> None:  # fmt: skip
    """Runs one decoding step of all sequences: a forward pass, and the commit of the tokens that it predicts.

    In block diffusion, `policy` chooses the masks to commit; in autoregressive decoding, `policy` is None and one token
    is appended to each sequence. The results stay on the device. If no sequence is decoding, nothing is computed.
    `block_length` is the block length of block-causal attention. At a `temperature` above 0 tokens are sampled.
    """
    config, live = weights.config, state.live
    shift = config.shift and policy is not None
    attention_block, whole = (
        block_length if config.attention == "block_causal" else 0,
        config.attention == "bidirectional",
    )
    write_step_input(
        state,
        buffers.step_input,
        block_length=attention_block,
        shift=shift,
        autoregressive=policy is None,
        bidirectional=whole,
    )
    forward(weights, buffers, cache, live)
    step_input, length = buffers.step_input, buffers.statistics.proposed.shape[0] // cache.row_count
    head.predict_tokens(
        buffers.normed, weights.head, step_input.rows, step_input.block_positions, step_input.count, buffers.banned,
        buffers.work, buffers.statistics, length, live,
        head.SamplingNoise(temperature, state.seeds, state.offsets) if temperature else None,
    )  # fmt: skip
    if policy is None:
        commit.append_tokens(state, buffers.statistics)
    else:
        commit.commit_tokens(state, buffers.statistics, policy, shift, whole)
