"""A whole denoising step, or the step to the next token, as a sequence of kernels over buffers allocated once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels import attention, commit, gemm, head, mlp, norm, qkv
from evalharness.diffusion.kernels.fp8 import Matrix, narrow, new_room, quantise
from evalharness.diffusion.kernels.kernel_options import Precision
from evalharness.diffusion.kernels.plan import Pieces, State, lay_out, new_pieces
from evalharness.diffusion.network import Layer, Transformer


@dataclass(frozen=True)
class LayerWeights:
    """A layer's, by the names that it has in `model.Layer`."""

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
class Weights:
    """A network's, as the kernels read them: those of `Transformer` itself, or 8-bit copies of its matrices."""

    config: ModelConfig
    embed: Tensor
    layers: tuple[LayerWeights, ...]
    norm: Tensor
    head: Matrix
    precision: Precision

    @property
    def bytes(self) -> int:
        """What one pass reads of them."""
        matrices = [self.head, *(m for layer in self.layers for m in (layer.qkv, layer.out, layer.gate_up, layer.down))]
        return sum(matrix.values.numel() * matrix.values.element_size() for matrix in matrices)


def read_weights(model: Transformer, precision: Precision | None = None) -> Weights:
    """The weights of a network that is not trained any more; by default as they are."""
    precision = precision or Precision()

    def matrix(linear: torch.nn.Linear) -> Matrix:
        weight = linear.weight.detach()
        return Matrix(weight) if precision.weights == "network" else quantise(weight)

    config, layers = model.config, []
    for layer in model.layers:
        assert isinstance(layer, Layer)
        q_norm, k_norm = (layer.q_norm.weight, layer.k_norm.weight) if config.qk_norm else (None, None)
        layers.append(
            LayerWeights(
                attention_norm=layer.attention_norm.weight,
                qkv=matrix(layer.qkv),
                bias=layer.qkv.bias,
                q_norm=q_norm,
                k_norm=k_norm,
                out=matrix(layer.out),
                mlp_norm=layer.mlp_norm.weight,
                gate_up=matrix(layer.gate_up),
                down=matrix(layer.down),
            )
        )
    return Weights(config, model.embed.weight.detach(), tuple(layers), model.norm.weight, matrix(model.head), precision)


@dataclass(frozen=True)
class Buffers:
    """What a step writes between its kernels, for N rows in pieces of N / B tokens and P looked-at places."""

    pieces: Pieces
    residual: Tensor
    """[N, hidden]; this and `normed`, `queries`, `seen`, `gated` in the network's precision."""
    normed: Tensor
    queries: Tensor
    seen: Tensor
    gated: Tensor
    products: tuple[Tensor, Tensor, Tensor]
    """Partial products of qkv, out and down [splits, N, width], float32."""
    narrow: tuple[Matrix, Matrix, Matrix] | None
    """Room for `normed`, `seen` and `gated` as 8-bit floats, where the products take those."""
    parts: Tensor
    logs: Tensor
    table: qkv.Table
    found: head.Statistics
    space: tuple[Tensor, Tensor]
    banned: Tensor


def new_buffers(weights: Weights, cache: KVCache, size: int, places: int, banned: tuple[int, ...]) -> Buffers:
    """Room for pieces of `size` tokens and `places` looked-at places in each of the cache's rows."""
    config, device, dtype = weights.config, weights.embed.device, weights.embed.dtype
    rows, wide = cache.rows * size, config.heads * config.head_dim
    group = config.heads // config.kv_heads
    splits = attention.splits(cache.capacity, cache.rows, config.kv_heads, size, group)

    def empty(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=device)

    def product(weight: Matrix) -> Tensor:
        width, inner = weight.values.shape
        how = gemm.plan(width, inner, rows, weight.scale is not None)
        return empty(how.splits, rows, width, dtype=torch.float32)

    layer = weights.layers[0]
    narrow = None
    if weights.precision.quantizes_activations(rows):
        narrow = (
            new_room(rows, config.hidden, device),
            new_room(rows, wide, device),
            new_room(rows, config.intermediate, device),
        )
    figures = empty(3, cache.rows * places, dtype=torch.float32)
    return Buffers(
        pieces=new_pieces(cache.rows, size, places, device),
        residual=empty(rows, config.hidden),
        normed=empty(rows, config.hidden),
        queries=empty(rows, wide),
        seen=empty(rows, wide),
        gated=empty(rows, config.intermediate),
        products=(product(layer.qkv), product(layer.out), product(layer.down)),
        narrow=narrow,
        parts=empty(splits, rows, config.heads, config.head_dim, dtype=torch.float32),
        logs=empty(splits, rows, config.heads, dtype=torch.float32),
        table=qkv.rotation_table(config, cache.capacity, dtype, device),
        found=head.Statistics(empty(cache.rows * places, dtype=torch.int32), *figures),
        space=head.workspace(config.vocab_size, cache.rows * places, device),
        banned=torch.tensor(banned, dtype=torch.int32, device=device),
    )


def forward(weights: Weights, buffers: Buffers, cache: KVCache, live: Tensor) -> None:
    """The network over the pieces: final states, normalised, in `buffers.normed`; keys and values in the cache."""
    config, b = weights.config, buffers
    eps = config.norm_eps
    gains = [*(layer.attention_norm for layer in weights.layers[1:]), weights.norm]

    def fit(x: Tensor, room: int) -> Tensor | Matrix:
        if b.narrow is None:
            return x
        narrow(x, b.narrow[room], live)
        return b.narrow[room]

    norm.first(b.pieces.tokens, weights.embed, weights.layers[0].attention_norm, eps, b.residual, b.normed, live)
    for number, (layer, gain) in enumerate(zip(weights.layers, gains, strict=True)):
        # Nothing of a network that sees the whole sequence anew lasts longer than its layer.
        keys, values = cache.layer(0 if config.attention == "bidirectional" else number)
        heads, out, down = b.products
        gemm.product(fit(b.normed, 0), layer.qkv, heads, live)
        qkv.finish(
            heads, layer.bias, layer.q_norm, layer.k_norm, eps, b.table, b.pieces.positions, b.queries, keys, values,
            live,
        )  # fmt: skip
        attention.attend(b.queries, keys, values, b.pieces.limits, b.parts, b.logs, b.seen, live)
        gemm.product(fit(b.seen, 1), layer.out, out, live)
        norm.add(out, b.residual, layer.mlp_norm, eps, b.normed, live)
        mlp.gate_up(fit(b.normed, 0), layer.gate_up, b.gated, live)
        gemm.product(fit(b.gated, 2), layer.down, down, live)
        norm.add(down, b.residual, gain, eps, b.normed, live)


def step(
    weights: Weights, state: State, buffers: Buffers, cache: KVCache, how: commit.Policy | None, block: int,
    temperature: float = 0.0,
) -> None:  # fmt: skip
    """One pass over all sequences and what comes of it: masks are fixed as `how` says, or a token is appended.

    Nothing is read by the host. Without live sequences nothing is done. `block` is that of the network's text.
    At a `temperature` above 0 tokens are drawn.
    """
    config, live = weights.config, state.live
    shift = config.shift and how is not None
    seen, whole = block if config.attention == "block_causal" else 0, config.attention == "bidirectional"
    lay_out(state, buffers.pieces, block=seen, shift=shift, following=how is None, whole=whole)
    forward(weights, buffers, cache, live)
    wanted, places = buffers.pieces, buffers.found.top.shape[0] // cache.rows
    head.look(
        buffers.normed, weights.head, wanted.rows, wanted.places, wanted.count, buffers.banned, buffers.space,
        buffers.found, places, live, head.Noise(temperature, state.seeds, state.draws) if temperature else None,
    )  # fmt: skip
    if how is None:
        commit.append(state, buffers.found)
    else:
        commit.commit(state, buffers.found, how, shift, whole)
