"""RMSNorm of each row, with what comes before it: the lookup of embeddings, or the end of a split product.

Each row is read and written once: the residual stream takes what a layer adds, and its normalised rows go to the next
product.
"""

import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import enter, options


@triton.jit
def normalise(values, gain, column, there, hidden, eps, dtype: tl.constexpr):
    """RMSNorm of one row, float32, with a single rounding at its end, as torch.nn.RMSNorm has."""
    mean = tl.sum(values * values, axis=0) / hidden
    scaled = values * tl.rsqrt(mean + eps)
    return (scaled * tl.load(gain + column, mask=there, other=0.0).to(tl.float32)).to(dtype)


@triton.jit
def embed_row(live, tokens, table, gain, residual, normed, hidden, eps, BLOCK: tl.constexpr, PDL: tl.constexpr):
    """One row: the embedding of its token, and that normalised."""
    if not enter(live, PDL):
        return
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    there = column < hidden
    token = tl.load(tokens + row).to(tl.int64)
    values = tl.load(table + token * hidden + column, mask=there, other=0.0)
    tl.store(residual + row * hidden + column, values, mask=there)
    result = normalise(values.to(tl.float32), gain, column, there, hidden, eps, normed.dtype.element_ty)
    tl.store(normed + row * hidden + column, result, mask=there)


@triton.jit
def add_row(
    live, partials, residual, gain, normed, hidden, eps, SPLITS: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr
):
    """One row: the sum of a product's parts added to the residual stream, and that normalised."""
    if not enter(live, PDL):
        return
    row, rows = tl.program_id(0).to(tl.int64), tl.num_programs(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    there = column < hidden
    added = tl.zeros([BLOCK], tl.float32)
    for part in tl.static_range(SPLITS):
        added += tl.load(partials + (part * rows + row) * hidden + column, mask=there, other=0.0)
    dtype = residual.dtype.element_ty
    before = tl.load(residual + row * hidden + column, mask=there, other=0.0).to(tl.float32)
    after = (before + added.to(dtype).to(tl.float32)).to(dtype)
    tl.store(residual + row * hidden + column, after, mask=there)
    result = normalise(after.to(tl.float32), gain, column, there, hidden, eps, normed.dtype.element_ty)
    tl.store(normed + row * hidden + column, result, mask=there)


def first(
    tokens: Tensor, table: Tensor, gain: Tensor, eps: float, residual: Tensor, normed: Tensor, live: Tensor
) -> None:
    """Writes embeddings to `residual` [N, hidden], and normalised to `normed`: those of `tokens` [N] in `table`.

    `gain` [hidden] is the norm's weight.
    """
    rows, hidden = residual.shape
    embed_row[(rows,)](
        live, tokens, table, gain, residual, normed, hidden, eps,
        BLOCK=triton.next_power_of_2(hidden), num_warps=warps(hidden), **options(live),
    )  # fmt: skip


def add(partials: Tensor, residual: Tensor, gain: Tensor, eps: float, normed: Tensor, live: Tensor) -> None:
    """Adds the sum of `partials` [splits, N, hidden] to `residual` [N, hidden], and normalises that into `normed`.

    The parts are summed in their order, so that a result never depends on which program came first.
    """
    splits, rows, hidden = partials.shape
    add_row[(rows,)](
        live, partials, residual, gain, normed, hidden, eps,
        SPLITS=splits, BLOCK=triton.next_power_of_2(hidden), num_warps=warps(hidden), **options(live),
    )  # fmt: skip


def warps(hidden: int) -> int:
    """Warps of the one program that has a row: each thread has eight or sixteen of its numbers."""
    return int(max(1, min(16, triton.next_power_of_2(hidden) // 256)))


def first_reference(tokens: Tensor, table: Tensor, gain: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(residual, normed) as `first` writes them."""
    residual = F.embedding(tokens, table)
    return residual, F.rms_norm(residual, gain.shape, gain, eps)


def add_reference(partials: Tensor, residual: Tensor, gain: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(residual, normed) as `add` writes them."""
    residual = residual + partials.sum(dim=0).to(residual.dtype)
    return residual, F.rms_norm(residual, gain.shape, gain, eps)
