"""The product of a few rows with a large weight matrix, at the speed at which the weights can be read.

Operands are swapped: rows of the weights are the side of the matrix unit that has to be 64 long, so that none of it is
wasted on 16 or 32 tokens. Where the weights have too few rows to give every multiprocessor work, the inner dimension is
split; whoever reads the partial sums adds them in order, so that the result is the same in every run.
"""

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.launch import INTERPRETED, divide, enter, options

PROCESSORS = 132
"""Multiprocessors of an H100 or H200 (SXM)."""


@dataclass(frozen=True)
class Plan:
    """How a product is cut up among programs, and how many warps and pipeline stages each has."""

    tile: int
    """Rows of the weights per program."""
    tokens: int
    """Rows of x per program."""
    step: int
    """Of the inner dimension at a time; it divides it."""
    splits: int
    """Programs along the inner dimension."""
    warps: int
    stages: int


@triton.jit
def prefetch(weight, lines, start, stop, inner):
    """Has the first 512 bytes from `start` of each of the weights' `lines` brought to the second-level cache.

    Weights depend on no kernel before, so this comes ahead of waiting for it.
    """
    cache_line: tl.constexpr = 1024 // weight.dtype.element_ty.primitive_bitwidth
    k = tl.minimum(start + tl.arange(0, 4) * cache_line, stop - 1)
    place = (weight + lines.to(tl.int64)[:, None] * inner + k[None, :]).to(tl.int64)
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;", "=r,l", [place], dtype=tl.int32, is_pure=False, pack=1
    )


@triton.jit
def widen(w):
    """e4m3 as bfloat16, exactly, two at a time by integer arithmetic: the conversion of the hardware is the slower.

    Exponent and fraction are moved to their places, subnormal numbers included; what the exponents' biases differ by,
    127 - 7, a multiplication makes up for.
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
def accumulate(
    x, weight, lines, row, start, stop, inner,
    TILE: tl.constexpr, TOKENS: tl.constexpr, STEP: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    """The product [TILE, TOKENS] of the weights' `lines` with x's `row`s, over the inner dimension from start to stop.

    Weights of 8 bits take x's precision in registers, unless x has 8 bits too. Of those the matrix unit keeps a sum to
    some 14 bits alone: what each step adds up goes to single precision.
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
                w = widen(w)
            total = tl.dot(w, a, total)
    return total


@triton.jit(do_not_specialize=["rows"])
def multiply(
    live, x, row_scale, weight, scale, partials, rows, width, inner,
    NARROW: tl.constexpr, SCALED: tl.constexpr, TILE: tl.constexpr, TOKENS: tl.constexpr, STEP: tl.constexpr,
    UPCAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """One tile of weights times one tile of rows, over one part of the inner dimension."""
    line = tl.program_id(1) * TILE + tl.arange(0, TILE)
    row = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    part = tl.program_id(2)
    share = tl.cdiv(inner // STEP, tl.num_programs(2)) * STEP
    start, stop = part * share, tl.minimum(inner, (part + 1) * share)
    # What is behind the last line or row repeats it, so that loads need no mask; only what is there is stored.
    real_line, real_row = tl.minimum(line, width - 1), tl.minimum(row, rows - 1)
    if PDL and start < stop:
        prefetch(weight, real_line, start, stop, inner)
    if not enter(live, PDL):
        return
    total = accumulate(x, weight, real_line, real_row, start, stop, inner, TILE, TOKENS, STEP, UPCAST)
    if SCALED:
        total *= tl.load(scale + line, mask=line < width, other=0.0)[:, None]
    if NARROW:
        total *= tl.load(row_scale + real_row)[None, :]
    target = partials + (part * rows + row.to(tl.int64))[None, :] * width + line[:, None]
    tl.store(target, total, mask=(line[:, None] < width) & (row[None, :] < rows))


def plan(width: int, inner: int, rows: int, fp8: bool = False) -> Plan:
    """How to multiply weights [width, inner] with `rows` rows.

    All programs are to run at once, two on a multiprocessor, so that no last few run alone: of many rows fewer stages
    leave memory for two, and with weights of 8 bits registers allow one. The larger tile reads x half as often, and is
    taken where there are weights enough for it.
    """
    tile = 128 if divide(width, 128) * 8 >= PROCESSORS else 64
    tokens, step = tokens_per_program(rows), step_along(inner, fp8)
    programs = divide(width, tile) * divide(rows, tokens)
    at_once = PROCESSORS if fp8 and tokens == 128 else 2 * PROCESSORS
    splits = max(1, min(10, at_once // programs, inner // 128))
    return Plan(tile, tokens, step, splits, warps=tile // 16, stages=4 if tokens <= 64 else 3)


def tokens_per_program(rows: int) -> int:
    """Rows of x that one program takes: a width of the matrix unit."""
    return int(min(128, max(16, triton.next_power_of_2(rows))))


def step_along(inner: int, fp8: bool) -> int:
    """How much of the inner dimension to read at a time: 128 bytes of each weight row, less where it must divide."""
    step = math.gcd(inner, 128 if fp8 else 64)
    assert step >= 16, "the matrix unit takes 16 of the inner dimension at a time"
    return step


def both(x: Tensor | Matrix) -> tuple[Tensor, Tensor | None]:
    """Values and, of narrow rows, their scales."""
    return (x, None) if isinstance(x, Tensor) else (x.values, x.scale)


def product(x: Tensor | Matrix, weight: Matrix, partials: Tensor, live: Tensor, how: Plan | None = None) -> None:
    """Writes to `partials` [splits, N, out], float32, sums whose sum over splits is `x` [N, in] times the weights.

    How many splits are of use, `plan` says, which is also what cuts it up unless `how` does. `in` is a multiple of 16;
    of 32 where x is narrow, as the weights then have to be.
    """
    narrow, row_scale = both(x)
    rows, inner = narrow.shape
    splits, _, width = partials.shape
    how = how or plan(width, inner, rows, weight.scale is not None)
    multiply[(divide(rows, how.tokens), divide(width, how.tile), splits)](
        live, narrow, row_scale, weight.values, weight.scale, partials, rows, width, inner,
        NARROW=row_scale is not None, SCALED=weight.scale is not None, TILE=how.tile, TOKENS=how.tokens, STEP=how.step,
        UPCAST=INTERPRETED, num_warps=how.warps, num_stages=how.stages, **options(live),
    )  # fmt: skip


def product_reference(x: Tensor | Matrix, weight: Matrix, splits: int) -> Tensor:
    """What `product` writes: [splits, N, out], float32."""
    x = x if isinstance(x, Tensor) else x.dense(torch.float32)
    inner = x.shape[1]
    step = step_along(inner, weight.scale is not None)
    share = divide(inner // step, splits) * step
    dense = weight.dense(torch.float32)
    starts = range(0, splits * share, share)
    return torch.stack([x[:, at : at + share].float() @ dense[:, at : at + share].T for at in starts])
