"""Matrix product kernel for few rows of activations times a large weight matrix, limited by reading the weights.

Operands are swapped: rows of the weights take the side of the matrix unit that is at least 64 long, so that 16 or 32
tokens waste nothing. If the weights have too few rows to give every multiprocessor work, the inner dimension is split;
the next kernel adds the partial sums in order, so that results are the same in every run.
"""

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.launch import INTERPRETED, begin_kernel, ceil_div, launch_options

PROCESSORS = 132
"""The number of multiprocessors of an H100 or H200 (SXM)."""


@dataclass(frozen=True)
class TilingPlan:
    """How a matrix product is divided among kernel programs: tile sizes, warps and pipeline stages."""

    tile: int
    """Weight rows per program."""
    tokens: int
    """Rows of x per program."""
    step: int
    """Elements of the inner dimension per step; a divisor of it."""
    splits: int
    """Programs along the inner dimension."""
    warps: int
    stages: int


@triton.jit
def prefetch_weights(weight: tl.tensor, lines: tl.tensor, start: tl.tensor, stop: tl.tensor, inner: tl.tensor) -> None:
    """Kernel function: prefetches 512 bytes, from element `start`, of each weight row in `lines` into the L2 cache.

    Weights do not depend on the previous kernel, so a kernel prefetches them before it waits for that kernel.
    """
    cache_line: tl.constexpr = 1024 // weight.dtype.element_ty.primitive_bitwidth
    k = tl.minimum(start + tl.arange(0, 4) * cache_line, stop - 1)
    address = (weight + lines.to(tl.int64)[:, None] * inner + k[None, :]).to(tl.int64)
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;", "=r,l", [address], dtype=tl.int32, is_pure=False, pack=1
    )


@triton.jit
def fp8_to_bfloat16(w: tl.tensor) -> tl.tensor:
    """Kernel function: returns e4m3 (8-bit float) numbers as bfloat16, exactly; it converts two at a time.

    Integer arithmetic is faster here than the hardware's conversion: shifts move the bits of exponent and fraction to
    their positions in bfloat16, and a multiplication by 2^(127 - 7) corrects the exponent bias, also for subnormals.
    """
    return tl.inline_asm_elementwise(
        """{
        .reg .b32 pair, rest, factor;
        prmt.b32 pair, $1, 0, 0x1404;
        shr.u32 rest, pair, 4;
        and.b32 rest, rest, 0x07f007f0;
        lop3.b32 rest, pair, 0x80008000, rest, 0xea;
        mov.b32 factor, 0x7b807b80;
        mul.rn.bf16x2 $0, rest, factor;
        }""",
        "=r,r", [w], dtype=tl.bfloat16, is_pure=True, pack=2,
    )  # fmt: skip


@triton.jit
def accumulate_tile(
    x: tl.tensor, weight: tl.tensor, lines: tl.tensor, row: tl.tensor, start: tl.tensor, stop: tl.tensor,
    inner: tl.tensor, TILE: tl.constexpr, TOKENS: tl.constexpr, STEP: tl.constexpr, UPCAST: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """Kernel function: returns the dot products [TILE, TOKENS] of weight rows `lines` and activation rows `row`.

    They are over the part of the inner dimension from `start` to `stop`.

    8-bit weights are converted to x's precision in registers, unless x has 8 bits too. For two 8-bit operands the
    matrix unit accumulates with only about 14 bits, so each step's sum is added up in float32.
    """
    k = tl.arange(0, STEP)
    left = weight + lines.to(tl.int64)[:, None] * inner + k[None, :]
    right = x + row.to(tl.int64)[None, :] * inner + k[:, None]
    total = tl.zeros([TILE, TOKENS], tl.float32)
    for first in range(start, stop, STEP):
        w = tl.load(left + first)
        a = tl.load(right + first)
        if UPCAST:
            total = tl.dot(w.to(tl.float32), a.to(tl.float32), total, input_precision="ieee")
        elif a.dtype == tl.float8e4nv:
            total = tl.dot(w, a, total, max_num_imprecise_acc=STEP)
        else:
            if w.dtype == tl.float8e4nv:
                w = fp8_to_bfloat16(w)
            total = tl.dot(w, a, total)
    return total


@triton.jit(do_not_specialize=["rows"])
def matmul_tile(
    live: tl.tensor, x: tl.tensor, row_scale: tl.tensor, weight: tl.tensor, scale: tl.tensor, partials: tl.tensor,
    rows: tl.tensor, width: tl.tensor, inner: tl.tensor, SCALED_ROWS: tl.constexpr, SCALED_WEIGHTS: tl.constexpr,
    TILE: tl.constexpr, TOKENS: tl.constexpr, STEP: tl.constexpr, UPCAST: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: multiplies activations `x` by the transposed `weight`, and writes partial products to `partials`.

    A program multiplies one tile of weight rows and one tile of activation rows, over one part of the inner dimension.
    """
    line = tl.program_id(1) * TILE + tl.arange(0, TILE)
    row = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    part = tl.program_id(2)
    part_size = tl.cdiv(inner // STEP, tl.num_programs(2)) * STEP
    start, stop = part * part_size, tl.minimum(inner, (part + 1) * part_size)
    # Indices past the end repeat the last line or row, so that loads need no mask; only valid ones are stored.
    valid_line, valid_row = tl.minimum(line, width - 1), tl.minimum(row, rows - 1)
    if PDL and start < stop:
        prefetch_weights(weight, valid_line, start, stop, inner)
    if not begin_kernel(live, PDL):
        return
    total = accumulate_tile(x, weight, valid_line, valid_row, start, stop, inner, TILE, TOKENS, STEP, UPCAST)
    if SCALED_WEIGHTS:
        total *= tl.load(scale + line, mask=line < width, other=0.0)[:, None]
    if SCALED_ROWS:
        total *= tl.load(row_scale + valid_row)[None, :]
    target = partials + (part * rows + row.to(tl.int64))[None, :] * width + line[:, None]
    tl.store(target, total, mask=(line[:, None] < width) & (row[None, :] < rows))


def plan_matmul_tiling(weight_rows: int, inner_size: int, activation_rows: int, fp8: bool = False) -> TilingPlan:
    """Returns the tiling to multiply weights [weight_rows, inner_size] by `activation_rows` rows of activations.

    All programs should run in one wave, two per multiprocessor. With many activation rows, fewer pipeline stages leave
    shared memory for two programs; with 8-bit weights (`fp8`), registers allow only one. If the weights have enough
    rows, tiles have 128 of them instead of 64, so that the activations are read half as often.
    """
    tile = 128 if ceil_div(weight_rows, 128) * 8 >= PROCESSORS else 64
    tokens, step = tokens_per_program(activation_rows), inner_step_size(inner_size, fp8)
    programs = ceil_div(weight_rows, tile) * ceil_div(activation_rows, tokens)
    concurrent = PROCESSORS if fp8 and tokens == 128 else 2 * PROCESSORS
    splits = max(1, min(10, concurrent // programs, inner_size // 128))
    return TilingPlan(tile, tokens, step, splits, warps=tile // 16, stages=4 if tokens <= 64 else 3)


def tokens_per_program(activation_rows: int) -> int:
    """Returns how many activation rows each program multiplies, a tile size that the tensor cores support."""
    return int(min(128, max(16, triton.next_power_of_2(activation_rows))))


def inner_step_size(inner_size: int, fp8: bool) -> int:
    """Returns how many elements of the inner dimension the matrix product reads in one step of its loop.

    It reads 128 bytes of each weight row, or fewer if the inner dimension is not a multiple of that.
    """
    step = math.gcd(inner_size, 128 if fp8 else 64)
    assert step >= 16, f"the inner dimension is {inner_size}, and the matrix product needs a multiple of 16"
    return step


def values_and_scale(matrix: Tensor | Matrix) -> tuple[Tensor, Tensor | None]:
    """Returns the stored values of a matrix and the scales of its rows; the scales are None if it is not quantized."""
    return (matrix, None) if isinstance(matrix, Tensor) else (matrix.values, matrix.scale)


def split_matmul(
    x: Tensor | Matrix, weight: Matrix, partials: Tensor, live_count: Tensor, tiling: TilingPlan | None = None
) -> None:
    """Multiplies activations `x` [N, in] by the transposed weights [out, in] as partial products, split along `in`.

    It writes them to `partials` [splits, N, out], float32; their sum over the splits is the product.
    `plan_matmul_tiling` gives a suitable number of splits, and the tiling unless `tiling` is given. `in` must be a
    multiple of 16; if `x` is quantized, a multiple of 32, and the weights must be quantized, too.
    `live_count` [1] is the number of sequences that still decode; at 0 nothing is computed.
    """
    values, row_scale = values_and_scale(x)
    rows, inner = values.shape
    splits, _, width = partials.shape
    tiling = tiling or plan_matmul_tiling(width, inner, rows, weight.scale is not None)
    matmul_tile[(ceil_div(rows, tiling.tokens), ceil_div(width, tiling.tile), splits)](
        live_count, values, row_scale, weight.values, weight.scale, partials, rows, width, inner,
        SCALED_ROWS=row_scale is not None, SCALED_WEIGHTS=weight.scale is not None, TILE=tiling.tile,
        TOKENS=tiling.tokens, STEP=tiling.step, UPCAST=INTERPRETED, num_warps=tiling.warps,
        num_stages=tiling.stages, **launch_options(live_count),
    )  # fmt: skip


def split_matmul_reference(x: Tensor | Matrix, weight: Matrix, splits: int) -> Tensor:
    """Returns the result of `split_matmul`, computed by PyTorch: [splits, N, out], float32."""
    x = x if isinstance(x, Tensor) else x.dequantized(torch.float32)
    inner = x.shape[1]
    step = inner_step_size(inner, weight.scale is not None)
    part_size = ceil_div(inner // step, splits) * step
    dense = weight.dequantized(torch.float32)
    starts = range(0, splits * part_size, part_size)
    return torch.stack(
        [x[:, start : start + part_size].float() @ dense[:, start : start + part_size].T for start in starts]
    )
