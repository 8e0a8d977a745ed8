"""RMSNorm kernels, each fused with the operation before it: embedding lookup, or the sum of a split product.

Each row is read and written once: the kernel adds a layer's output to the residual stream and writes the normalized row
for the next product.
"""

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import begin_kernel, launch_options


@triton.jit
def rms_norm_row(
    values: tl.tensor, gain: tl.tensor, column: tl.tensor, valid: tl.tensor, hidden: tl.tensor, eps: tl.tensor,
    dtype: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """Kernel function: returns the RMSNorm of one row, computed in float32 and rounded once, like torch.nn.RMSNorm."""
    mean = tl.sum(values * values, axis=0) / hidden
    scaled = values * tl.rsqrt(mean + eps)
    return (scaled * tl.load(gain + column, mask=valid, other=0.0).to(tl.float32)).to(dtype)


@triton.jit
def embed_and_norm_row(
    live: tl.tensor, tokens: tl.tensor, table: tl.tensor, gain: tl.tensor, residual: tl.tensor, normed: tl.tensor,
    hidden: tl.tensor, eps: tl.tensor, BLOCK: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: writes each token's embedding to `residual`, and its RMSNorm to `normed`; one program per token."""
    if not begin_kernel(live, PDL):
        return
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    valid = column < hidden
    token = tl.load(tokens + row).to(tl.int64)
    values = tl.load(table + token * hidden + column, mask=valid, other=0.0)
    tl.store(residual + row * hidden + column, values, mask=valid)
    result = rms_norm_row(values.to(tl.float32), gain, column, valid, hidden, eps, normed.dtype.element_ty)
    tl.store(normed + row * hidden + column, result, mask=valid)


@triton.jit
def add_and_norm_row(
    live: tl.tensor, partials: tl.tensor, residual: tl.tensor, gain: tl.tensor, normed: tl.tensor, hidden: tl.tensor,
    eps: tl.tensor, SPLITS: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: adds partial products to the residual stream, and writes its RMSNorm; one program per row (token).

    It updates `residual` and writes `normed`.
    """
    if not begin_kernel(live, PDL):
        return
    row, rows = tl.program_id(0).to(tl.int64), tl.num_programs(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    valid = column < hidden
    added = tl.zeros([BLOCK], tl.float32)
    for part in tl.static_range(SPLITS):
        added += tl.load(partials + (part * rows + row) * hidden + column, mask=valid, other=0.0)
    dtype = residual.dtype.element_ty
    before = tl.load(residual + row * hidden + column, mask=valid, other=0.0).to(tl.float32)
    after = (before + added.to(dtype).to(tl.float32)).to(dtype)
    tl.store(residual + row * hidden + column, after, mask=valid)
    result = rms_norm_row(after.to(tl.float32), gain, column, valid, hidden, eps, normed.dtype.element_ty)
    tl.store(normed + row * hidden + column, result, mask=valid)


@triton.jit
def sum_and_norm_row(
    live: tl.tensor, parts: tl.tensor, gain: tl.tensor, normed: tl.tensor, hidden: tl.tensor, stride: tl.tensor,
    eps: tl.tensor, SPLITS: tl.constexpr, NORM: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: sums `parts` (partial products), and writes the sum's RMSNorm to `normed`; one program per row (token).

    Without NORM, it writes the sum itself.
    """
    if not begin_kernel(live, PDL):
        return
    row, rows = tl.program_id(0).to(tl.int64), tl.num_programs(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    valid = column < hidden
    total = tl.zeros([BLOCK], tl.float32)
    for part in tl.static_range(SPLITS):
        total += tl.load(parts + (part * rows + row) * hidden + column, mask=valid, other=0.0).to(tl.float32)
    dtype = normed.dtype.element_ty
    result = total.to(dtype)
    if NORM:
        result = rms_norm_row(result.to(tl.float32), gain, column, valid, hidden, eps, dtype)
    tl.store(normed + row * stride + column, result, mask=valid)


def embed_and_norm(
    tokens: Tensor,
    embedding_table: Tensor,
    gain: Tensor,
    eps: float,
    residual: Tensor,
    normed: Tensor,
    live_count: Tensor,
) -> None:
    """Writes the embeddings of `tokens` [N] to `residual` [N, hidden], and their RMSNorm to `normed`.

    `embedding_table` is the embedding matrix, `gain` [hidden] the weight of the norm. `live_count` [1] is the number of
    sequences that still decode; at 0 nothing is computed.
    """
    rows, hidden = residual.shape
    embed_and_norm_row[(rows,)](
        live_count, tokens, embedding_table, gain, residual, normed, hidden, eps,
        BLOCK=triton.next_power_of_2(hidden), num_warps=warps_per_row(hidden), **launch_options(live_count),
    )  # fmt: skip


def add_and_norm(
    partials: Tensor, residual: Tensor, gain: Tensor, eps: float, normed: Tensor, live_count: Tensor
) -> None:
    """Adds the sum of `partials` [splits, N, hidden] to `residual` [N, hidden]; writes its RMSNorm to `normed`.

    Partial products are added in a fixed order, so that the rounding is the same in every run. `live_count` [1] is the
    number of sequences that still decode; at 0 nothing is computed.
    """
    splits, rows, hidden = partials.shape
    add_and_norm_row[(rows,)](
        live_count, partials, residual, gain, normed, hidden, eps,
        SPLITS=splits, BLOCK=triton.next_power_of_2(hidden), num_warps=warps_per_row(hidden),
        **launch_options(live_count),
    )  # fmt: skip


def sum_and_norm(parts: Tensor, gain: Tensor | None, eps: float, normed: Tensor, live_count: Tensor) -> None:
    """Writes the RMSNorm of the sum of `parts` [splits, N, hidden] to `normed` [N, hidden], whose rows may be strided.

    Without a `gain` the sum itself is written. `live_count` [1] is the number of sequences that still decode; at 0
    nothing is computed.
    """
    splits, rows, hidden = parts.shape
    sum_and_norm_row[(rows,)](
        live_count, parts, live_count if gain is None else gain, normed, hidden, normed.stride(0), eps, SPLITS=splits,
        NORM=gain is not None, BLOCK=triton.next_power_of_2(hidden), num_warps=warps_per_row(hidden),
        **launch_options(live_count),
    )  # fmt: skip


def warps_per_row(hidden_size: int) -> int:
    """Returns the number of warps per row of `hidden_size` elements, so that each thread has 8 or 16 elements."""
    return int(max(1, min(16, triton.next_power_of_2(hidden_size) // 256)))


def embed_and_norm_reference(
    tokens: Tensor, embedding_table: Tensor, gain: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Returns the results of `embed_and_norm`, computed by PyTorch: residual and normed."""
    residual = F.embedding(tokens, embedding_table)
    return residual, F.rms_norm(residual, gain.shape, gain, eps)


def add_and_norm_reference(partials: Tensor, residual: Tensor, gain: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Returns the results of `add_and_norm`, computed by PyTorch: residual and normed."""
    residual = residual + partials.sum(dim=0).to(residual.dtype)
    return residual, F.rms_norm(residual, gain.shape, gain, eps)


def sum_and_norm_reference(parts: Tensor, gain: Tensor | None, eps: float, dtype: torch.dtype) -> Tensor:
    """Returns the result of `sum_and_norm` in the precision `dtype`, computed by PyTorch."""
    total = parts.float().sum(dim=0).to(dtype)
    return total if gain is None else F.rms_norm(total, gain.shape, gain, eps)
