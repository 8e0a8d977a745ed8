"""Kernel after the QKV product: bias, per-head norm, RoPE, and storing keys and values in the cache.

`gemm.split_matmul` computes the product itself. Its parts are small compared with the weights; each program of this
kernel reads one head.
"""

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels.launch import begin_kernel, launch_options
from evalharness.diffusion.network import apply_rope, rope_rotation

RopeTable = tuple[Tensor, Tensor]
"""Cosines and sines, [positions, rotated dimensions / 2] each."""


@triton.jit
def load_attention_head(
    partials: tl.tensor, bias: tl.tensor, gain: tl.tensor, row: tl.tensor, rows: tl.tensor, head: tl.tensor,
    width: tl.tensor, column: tl.tensor, eps: tl.tensor, D: tl.constexpr, SPLITS: tl.constexpr, BIAS: tl.constexpr,
    NORM: tl.constexpr, dtype: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """Kernel function: returns one attention head's query, key or value of one row (token), after bias and norm.

    It sums the row's partial QKV products, and rounds as the network's layers do. `column` are the dimensions to load.
    """
    index = head * D + column
    values = tl.zeros([D], tl.float32)
    for part in tl.static_range(SPLITS):
        values += tl.load(partials + (part * rows + row) * width + index)
    if BIAS:
        values += tl.load(bias + index).to(tl.float32)
    values = values.to(dtype).to(tl.float32)
    if NORM:
        scaled = values * tl.rsqrt(tl.sum(values * values, axis=0) / D + eps)
        values = (scaled * tl.load(gain + column).to(tl.float32)).to(dtype).to(tl.float32)
    return values


@triton.jit(do_not_specialize=["rows", "size", "capacity"])
def rope_and_cache_head(
    live: tl.tensor, partials: tl.tensor, bias: tl.tensor, q_gain: tl.tensor, k_gain: tl.tensor, cosines: tl.tensor,
    sines: tl.tensor, positions: tl.tensor, queries: tl.tensor, keys: tl.tensor, values: tl.tensor, rows: tl.tensor,
    size: tl.tensor, capacity: tl.tensor, eps: tl.tensor, HEADS: tl.constexpr, KV_HEADS: tl.constexpr, D: tl.constexpr,
    ROTATED: tl.constexpr, SPLITS: tl.constexpr, BIAS: tl.constexpr, NORM: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: applies bias, norm and RoPE to QKV products, and writes `queries`, `keys` and `values`.

    There is one program per row (token) and attention head. `keys` and `values` are the KV cache's.
    """
    if not begin_kernel(live, PDL):
        return
    HALF: tl.constexpr = ROTATED // 2
    WIDTH: tl.constexpr = (HEADS + 2 * KV_HEADS) * D
    dtype: tl.constexpr = queries.dtype.element_ty
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    position = tl.load(positions + row).to(tl.int64)
    column = tl.arange(0, D)
    slot = ((row // size) * KV_HEADS + (head - HEADS) % KV_HEADS) * capacity + position
    if head >= HEADS + KV_HEADS:
        own = load_attention_head(
            partials, bias, bias, row, rows, head, WIDTH, column, eps, D, SPLITS, BIAS, False, dtype
        )
        tl.store(values + slot * D + column, own.to(dtype), mask=(column < D) & (position >= 0))
        return
    gain = q_gain
    if NORM and head >= HEADS:
        gain = k_gain
    pair = tl.where(column < HALF, column + HALF, tl.where(column < ROTATED, column - HALF, column))
    own = load_attention_head(partials, bias, gain, row, rows, head, WIDTH, column, eps, D, SPLITS, BIAS, NORM, dtype)
    other = load_attention_head(partials, bias, gain, row, rows, head, WIDTH, pair, eps, D, SPLITS, BIAS, NORM, dtype)
    rotates = column < ROTATED
    angle = tl.maximum(position, 0) * HALF + column % HALF
    cosine = tl.load(cosines + angle, mask=rotates, other=1.0).to(tl.float32)
    sine = tl.load(sines + angle, mask=rotates, other=0.0).to(tl.float32)
    sine = tl.where(column < HALF, -sine, sine)
    rotated = (own * cosine).to(dtype).to(tl.float32) + other * sine
    result = tl.where(rotates, rotated, own).to(dtype)
    if head < HEADS:
        tl.store(queries + (row * HEADS + head) * D + column, result)
    else:
        tl.store(keys + slot * D + column, result, mask=(column < D) & (position >= 0))


def make_rope_table(config: ModelConfig, position_count: int, dtype: torch.dtype, device: torch.device) -> RopeTable:
    """Returns the cosines and sines of RoPE for positions below `position_count`, identical to those of the network."""
    cosines, sines = rope_rotation(config, torch.arange(position_count, device=device)[None], dtype)
    half = config.rotary_dims // 2
    return cosines[0, :, 0, half:].contiguous(), sines[0, :, 0, half:].contiguous()


def rope_and_cache(
    partials: Tensor, bias: Tensor | None, q_gain: Tensor | None, k_gain: Tensor | None, eps: float, table: RopeTable,
    positions: Tensor, queries: Tensor, keys: Tensor, values: Tensor, live_count: Tensor,
) -> None:  # fmt: skip
    """Applies bias, per-head norm and RoPE after the QKV product; writes keys and values to the KV cache.

    `partials` [splits, N, (heads + 2 * kv_heads) * head_dim] are the partial products, queries first. Queries are
    written to `queries` [N, heads * head_dim], keys and values to the slots `positions` [N] of the cache's tensors
    `keys` and `values` [B, kv_heads, capacity, head_dim], contiguous. Row n belongs to sequence n // (N / B). A row at
    position -1 is padding and is not written to the cache. Without gains there is no per-head norm. `live_count` [1] is
    the number of sequences that still decode; at 0 nothing is computed.
    """
    splits, rows, width = partials.shape
    sequences, kv_heads, capacity, head_dim = keys.shape
    heads = width // head_dim - 2 * kv_heads
    cosines, sines = table
    rope_and_cache_head[(rows, heads + 2 * kv_heads)](
        live_count, partials, bias, q_gain, k_gain, cosines, sines, positions, queries, keys, values,
        rows, rows // sequences, capacity, eps,
        HEADS=heads, KV_HEADS=kv_heads, D=head_dim, ROTATED=2 * cosines.shape[1], SPLITS=splits,
        BIAS=bias is not None, NORM=q_gain is not None, num_warps=1, **launch_options(live_count),
    )  # fmt: skip


def rope_and_cache_reference(
    partials: Tensor, bias: Tensor | None, q_gain: Tensor | None, k_gain: Tensor | None, eps: float, table: RopeTable,
    positions: Tensor, kv_heads: int, head_dim: int, dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Returns queries, keys and values of `rope_and_cache`, computed by PyTorch.

    Queries are [N, heads, head_dim], keys and values [N, kv_heads, head_dim].
    """
    total = partials.sum(dim=0)
    if bias is not None:
        total = total + bias.float()
    heads = total.to(dtype).view(total.shape[0], -1, head_dim)
    queries, keys, values = torch.split(heads, [heads.shape[1] - 2 * kv_heads, kv_heads, kv_heads], dim=1)
    if q_gain is not None and k_gain is not None:
        queries, keys = (F.rms_norm(x, (head_dim,), g, eps) for x, g in ((queries, q_gain), (keys, k_gain)))
    cosines, sines = (part[positions.clamp(min=0)][:, None] for part in table)
    rotation = torch.cat((cosines, cosines), dim=-1), torch.cat((-sines, sines), dim=-1)
    return apply_rope(queries, rotation), apply_rope(keys, rotation), values
