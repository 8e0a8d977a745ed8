"""The first half of the feed-forward: gate and up in one program each, so that neither is ever stored.

The second half, down, is `gemm.product` and `norm.add`.
"""

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.gemm import (
    PROCESSORS,
    Plan,
    accumulate,
    both,
    prefetch,
    step_along,
    tokens_per_program,
)
from evalharness.diffusion.kernels.launch import INTERPRETED, divide, enter, options


@triton.jit(do_not_specialize=["rows"])
def gate_up_tile(
    live, x, row_scale, weight, scale, out, rows, width, inner,
    NARROW: tl.constexpr, SCALED: tl.constexpr, TILE: tl.constexpr, TOKENS: tl.constexpr, STEP: tl.constexpr,
    UPCAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """TILE / 2 lines of the gate and the same ones of up, as one tile of the matrix unit, times one tile of rows."""
    HALF: tl.constexpr = TILE // 2
    first = tl.program_id(1) * HALF
    number = tl.arange(0, TILE)
    line = (number // HALF) * width + tl.minimum(first + number % HALF, width - 1)
    row = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    if PDL:
        prefetch(weight, line, 0, inner, inner)
    if not enter(live, PDL):
        return
    real_row = tl.minimum(row, rows - 1)
    total = accumulate(x, weight, line, real_row, 0, inner, inner, TILE, TOKENS, STEP, UPCAST)
    if SCALED:
        total *= tl.load(scale + line)[:, None]
    if NARROW:
        total *= tl.load(row_scale + real_row)[None, :]
    gate, up = tl.split(tl.permute(tl.reshape(total, [2, HALF, TOKENS]), [1, 2, 0]))
    # The product's results are rounded, and so is the activation, as where each is a tensor.
    dtype = out.dtype.element_ty
    gate, up = gate.to(dtype).to(tl.float32), up.to(dtype).to(tl.float32)
    active = (gate / (1.0 + tl.exp(-gate))).to(dtype).to(tl.float32)
    column = first + tl.arange(0, HALF)
    target = out + row.to(tl.int64)[None, :] * width + column[:, None]
    tl.store(target, (active * up).to(dtype), mask=(column[:, None] < width) & (row[None, :] < rows))


def plan(width: int, inner: int, rows: int, fp8: bool = False) -> Plan:
    """How to compute `width` gated values of `rows` rows: nothing is split, as what is summed is not linear after."""
    tile = 128 if width >= 64 * PROCESSORS else 64
    return Plan(tile, tokens_per_program(rows), step_along(inner, fp8), splits=1, warps=tile // 16, stages=3)


def gate_up(x: Tensor | Matrix, weight: Matrix, out: Tensor, live: Tensor, how: Plan | None = None) -> None:
    """Writes SiLU(gate) * up to `out` [N, intermediate], for `x` [N, in].

    `weight` [2 * intermediate, in] has the lines of the gate first; `in` is a multiple of 16, of 32 where x and with it
    the weights are of 8 bits. `how` it is cut up, `plan` says unless told.
    """
    values, row_scale = both(x)
    rows, inner = values.shape
    width = out.shape[1]
    how = how or plan(width, inner, rows, weight.scale is not None)
    gate_up_tile[(divide(rows, how.tokens), divide(width, how.tile // 2))](
        live, values, row_scale, weight.values, weight.scale, out, rows, width, inner,
        NARROW=row_scale is not None, SCALED=weight.scale is not None, TILE=how.tile, TOKENS=how.tokens, STEP=how.step,
        UPCAST=INTERPRETED, num_warps=how.warps, num_stages=how.stages, **options(live),
    )  # fmt: skip


def gate_up_reference(x: Tensor | Matrix, weight: Matrix) -> Tensor:
    """What `gate_up` writes, as the network's layers compute it; weights of 8 bits are rounded to x's precision.

    Of narrow rows it is what is written in single precision.
    """
    x = x if isinstance(x, Tensor) else x.dense(torch.float32)
    gate, up = F.linear(x, weight.dense(x.dtype)).chunk(2, dim=-1)
    return F.silu(gate) * up
