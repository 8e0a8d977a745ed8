"""Weight matrices of the kernels, in the network's precision or as 8-bit floats (e4m3) with one scale per row.

At small batches reading the weights limits a step, so that 8-bit weights alone help (W8A16). A pass of many rows is
limited by the matrix unit, which multiplies 8-bit floats twice as fast as bfloat16 if both operands have 8 bits (W8A8).
`quantize_rows` converts activations, with one scale per row.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import INTERPRETED, begin_kernel, launch_options

FP8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8).max
"""The largest number of e4m3, 448."""
TINY = torch.finfo(torch.float32).tiny
"""The smallest scale, so that a row of zeros is not divided by zero."""


@dataclass(frozen=True)
class Matrix:
    """A weight or activation matrix, in full precision or as 8-bit floats (e4m3) with one scale per row.

    `values` [rows, in] are row-major. With a `scale` [rows], float32, row i is values[i] * scale[i].
    """

    values: Tensor
    scale: Tensor | None = None

    def dequantized(self, dtype: torch.dtype) -> Tensor:
        """Returns the matrix as a plain tensor [rows, in] of type `dtype`, dequantized if it is quantized."""
        if self.scale is None:
            return self.values.to(dtype)
        return (self.values.float() * self.scale[:, None]).to(dtype)


def quantize_to_fp8(matrix: Tensor) -> Matrix:
    """Returns `matrix` [rows, in] as 8-bit floats (e4m3), with each row scaled to the range of e4m3.

    The error of an entry is at most 2^-4 of its magnitude, or 2^-10 of its row's scale if that is more.
    """
    exact = matrix.float()
    scale = (exact.abs().amax(dim=1) / LARGEST).clamp(min=TINY)
    return Matrix((exact / scale[:, None]).to(FP8).contiguous(), scale)


@triton.jit
def round_to_fp8(x: tl.tensor) -> tl.tensor:
    """Kernel function: returns float32 numbers rounded to the nearest e4m3 (8-bit float) number, ties to even."""
    power = (x.to(tl.int32, bitcast=True) & 0x7F800000).to(tl.float32, bitcast=True)
    # Adding this number drops the bits below one step of e4m3, which is an eighth of the power of two.
    large = tl.maximum(power, 0.015625) * 1572864.0
    return (x + large) - large


@triton.jit
def quantize_row(
    live: tl.tensor, x: tl.tensor, values: tl.tensor, scale: tl.tensor, inner: tl.tensor, LARGEST: tl.constexpr,
    TINY: tl.constexpr, BLOCK: tl.constexpr, INTERPRETED: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: quantizes each row of `x` to 8-bit floats (e4m3), scaled by its largest magnitude; one program per row.

    It writes `values` and `scale`.
    """
    if not begin_kernel(live, PDL):
        return
    row = tl.program_id(0).to(tl.int64)
    largest = tl.zeros([BLOCK], tl.float32)
    for first in range(0, inner, BLOCK):
        column = first + tl.arange(0, BLOCK)
        part = tl.load(x + row * inner + column, mask=column < inner, other=0.0).to(tl.float32)
        largest = tl.maximum(largest, tl.abs(part))
    row_scale = tl.maximum(tl.div_rn(tl.max(largest, axis=0), LARGEST), TINY)
    tl.store(scale + row, row_scale)
    for first in range(0, inner, BLOCK):
        column = first + tl.arange(0, BLOCK)
        part = tl.load(x + row * inner + column, mask=column < inner, other=0.0).to(tl.float32)
        result = tl.div_rn(part, row_scale)
        if INTERPRETED:
            # The interpreter's conversion does not carry into the exponent.
            result = round_to_fp8(result)
        tl.store(values + row * inner + column, result.to(values.dtype.element_ty), mask=column < inner)


def quantize_rows(x: Tensor, out: Matrix, live_count: Tensor) -> None:
    """Quantizes activations `x` [N, in] row by row to 8-bit floats (e4m3); writes values and scales to `out`.

    `live_count` [1] is the number of sequences that still decode; at 0 nothing is computed.
    """
    rows, inner = x.shape
    block = min(4096, triton.next_power_of_2(inner))
    quantize_row[(rows,)](
        live_count, x, out.values, out.scale, inner, LARGEST=LARGEST, TINY=TINY, BLOCK=block,
        INTERPRETED=INTERPRETED, num_warps=max(1, min(8, block // 512)), **launch_options(live_count),
    )  # fmt: skip


def allocate_fp8_matrix(rows: int, columns: int, device: torch.device | str) -> Matrix:
    """Returns an uninitialized matrix of 8-bit floats (e4m3) [rows, columns] with one scale per row."""
    return Matrix(
        torch.empty(rows, columns, dtype=FP8, device=device), torch.empty(rows, dtype=torch.float32, device=device)
    )
