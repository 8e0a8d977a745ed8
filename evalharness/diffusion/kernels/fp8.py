"""Matrices as the kernels read them: in the network's precision, or as 8-bit floats with a scale per row.

At small batches a step waits for weights, so that these alone are 8-bit floats (W8A16): activations keep the network's
precision. A pass of many rows waits for the matrix unit, which takes 8-bit floats twice as fast as bfloat16, but only
where both its sides are such (W8A8): `narrow` makes a row of activations so, with a scale of its own.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import INTERPRETED, enter, options

FP8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8).max
"""448."""
TINY = torch.finfo(torch.float32).tiny
"""The least scale: a row of zeros has to be divided by something."""


@dataclass(frozen=True)
class Matrix:
    """`values` [rows, in], row-major. With a `scale` [rows], float32, row i stands for values[i] * scale[i]."""

    values: Tensor
    scale: Tensor | None = None

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The matrix itself [rows, in]."""
        if self.scale is None:
            return self.values.to(dtype)
        return (self.values.float() * self.scale[:, None]).to(dtype)


def quantise(matrix: Tensor) -> Matrix:
    """`matrix` [rows, in] as e4m3, each row scaled so that its largest value is e4m3's largest.

    The error of an entry is at most 2^-4 of its size, or 2^-10 of its row's scale where that is more.
    """
    exact = matrix.float()
    scale = (exact.abs().amax(dim=1) / LARGEST).clamp(min=TINY)
    return Matrix((exact / scale[:, None]).to(FP8).contiguous(), scale)


@triton.jit
def round_to_fp8(x):
    """The nearest numbers of e4m3, of two the even one; still in single precision."""
    power = (x.to(tl.int32, bitcast=True) & 0x7F800000).to(tl.float32, bitcast=True)
    # Sums with it have no place for what is less than a step of such numbers: an eighth of their power of two.
    large = tl.maximum(power, 0.015625) * 1572864.0
    return (x + large) - large


@triton.jit
def narrow_row(
    live, x, values, scale, inner,
    LARGEST: tl.constexpr, TINY: tl.constexpr, BLOCK: tl.constexpr, INTERPRETED: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """One row: its largest size, and then all of it by what that makes the scale."""
    if not enter(live, PDL):
        return
    row = tl.program_id(0).to(tl.int64)
    highest = tl.zeros([BLOCK], tl.float32)
    for first in range(0, inner, BLOCK):
        column = first + tl.arange(0, BLOCK)
        part = tl.load(x + row * inner + column, mask=column < inner, other=0.0).to(tl.float32)
        highest = tl.maximum(highest, tl.abs(part))
    own = tl.maximum(tl.div_rn(tl.max(highest, axis=0), LARGEST), TINY)
    tl.store(scale + row, own)
    for first in range(0, inner, BLOCK):
        column = first + tl.arange(0, BLOCK)
        part = tl.load(x + row * inner + column, mask=column < inner, other=0.0).to(tl.float32)
        result = tl.div_rn(part, own)
        if INTERPRETED:
            # Its conversion forgets to carry into the exponent.
            result = round_to_fp8(result)
        tl.store(values + row * inner + column, result.to(values.dtype.element_ty), mask=column < inner)


def narrow(x: Tensor, room: Matrix, live: Tensor) -> None:
    """Writes to `room` what `quantise` makes of `x` [N, in]."""
    rows, inner = x.shape
    block = min(4096, triton.next_power_of_2(inner))
    narrow_row[(rows,)](
        live, x, room.values, room.scale, inner, LARGEST=LARGEST, TINY=TINY, BLOCK=block,
        INTERPRETED=INTERPRETED, num_warps=max(1, min(8, block // 512)), **options(live),
    )  # fmt: skip


def new_room(rows: int, inner: int, device: torch.device | str) -> Matrix:
    """Room for that many rows of activations."""
    return Matrix(
        torch.empty(rows, inner, dtype=FP8, device=device), torch.empty(rows, dtype=torch.float32, device=device)
    )
