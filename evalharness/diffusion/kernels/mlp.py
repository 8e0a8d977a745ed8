"""Feed-forward kernel, first half: gate and up projection with SiLU in one kernel, so that neither is stored.

The second half, down, is `gemm.split_matmul` and `norm.add_and_norm`.
"""

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.gemm import (
    PROCESSORS,
    TilingPlan,
    accumulate_tile,
    inner_step_size,
    prefetch_weights,
    tokens_per_program,
    values_and_scale,
)
from evalharness.diffusion.kernels.launch import INTERPRETED, begin_kernel, ceil_div, launch_options


@triton.jit(do_not_specialize=["rows"])
def gate_up_tile(
    live: tl.tensor, x: tl.tensor, row_scale: tl.tensor, weight: tl.tensor, scale: tl.tensor, out: tl.tensor,
    rows: tl.tensor, width: tl.tensor, inner: tl.tensor, SCALED_ROWS: tl.constexpr, SCALED_WEIGHTS: tl.constexpr,
    TILE: tl.constexpr, TOKENS: tl.constexpr, STEP: tl.constexpr, UPCAST: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: writes SiLU(gate) * up of a feed-forward layer to `out`; one program per tile of weights and of `x`.

    A tile of weights has TILE / 2 rows of the gate matrix and the same rows of the up matrix.
    """
    HALF: tl.constexpr = TILE // 2
    first = tl.program_id(1) * HALF
    number = tl.arange(0, TILE)
    line = (number // HALF) * width + tl.minimum(first + number % HALF, width - 1)
    row = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    if PDL:
        prefetch_weights(weight, line, 0, inner, inner)
    if not begin_kernel(live, PDL):
        return
    valid_row = tl.minimum(row, rows - 1)
    total = accumulate_tile(x, weight, line, valid_row, 0, inner, inner, TILE, TOKENS, STEP, UPCAST)
    if SCALED_WEIGHTS:
        total *= tl.load(scale + line)[:, None]
    if SCALED_ROWS:
        total *= tl.load(row_scale + valid_row)[None, :]
    gate, up = tl.split(tl.permute(tl.reshape(total, [2, HALF, TOKENS]), [1, 2, 0]))
    # Products and activation are rounded, as in the network's layers, where each is a separate tensor.
    dtype = out.dtype.element_ty
    gate, up = gate.to(dtype).to(tl.float32), up.to(dtype).to(tl.float32)
    active = (gate / (1.0 + tl.exp(-gate))).to(dtype).to(tl.float32)
    column = first + tl.arange(0, HALF)
    target = out + row.to(tl.int64)[None, :] * width + column[:, None]
    tl.store(target, (active * up).to(dtype), mask=(column[:, None] < width) & (row[None, :] < rows))


def plan_gate_up_tiling(intermediate_size: int, inner_size: int, activation_rows: int, fp8: bool = False) -> TilingPlan:
    """Returns the tiling of `gate_up` for a feed-forward layer of this size and `activation_rows` rows of activations.

    The inner dimension is not split, because the activation function is not linear.
    """
    tile = 128 if intermediate_size >= 64 * PROCESSORS else 64
    return TilingPlan(
        tile,
        tokens_per_program(activation_rows),
        inner_step_size(inner_size, fp8),
        splits=1,
        warps=tile // 16,
        stages=3,
    )


def gate_up(
    x: Tensor | Matrix, weight: Matrix, out: Tensor, live_count: Tensor, tiling: TilingPlan | None = None
) -> None:
    """Writes SiLU(gate) * up of the feed-forward layer for activations `x` [N, in] to `out` [N, intermediate].

    `weight` [2 * intermediate, in] has the gate matrix first. `in` must be a multiple of 16; of 32 if `x` and the
    weights are quantized. `plan_gate_up_tiling` gives the tiling unless `tiling` is given.
    `live_count` [1] is the number of sequences that still decode; at 0 nothing is computed.
    """
    values, row_scale = values_and_scale(x)
    rows, inner = values.shape
    width = out.shape[1]
    tiling = tiling or plan_gate_up_tiling(width, inner, rows, weight.scale is not None)
    gate_up_tile[(ceil_div(rows, tiling.tokens), ceil_div(width, tiling.tile // 2))](
        live_count, values, row_scale, weight.values, weight.scale, out, rows, width, inner,
        SCALED_ROWS=row_scale is not None, SCALED_WEIGHTS=weight.scale is not None, TILE=tiling.tile,
        TOKENS=tiling.tokens, STEP=tiling.step, UPCAST=INTERPRETED, num_warps=tiling.warps,
        num_stages=tiling.stages, **launch_options(live_count),
    )  # fmt: skip


def gate_up_reference(x: Tensor | Matrix, weight: Matrix) -> Tensor:
    """Returns the result of `gate_up`, computed by PyTorch.

    The result has the dtype of `x`, to which 8-bit weights are converted. If `x` is quantized, it is float32.
    """
    x = x if isinstance(x, Tensor) else x.dequantized(torch.float32)
    gate, up = F.linear(x, weight.dequantized(x.dtype)).chunk(2, dim=-1)
    return F.silu(gate) * up
