"""Gate and up in one kernel."""

import math

import pytest
import torch

from evalharness.diffusion.kernels.fp8 import Matrix, quantize_to_fp8
from evalharness.diffusion.kernels.mlp import gate_up, gate_up_reference

LIVE = torch.ones(1, dtype=torch.int32)


def run(x: torch.Tensor, weight: Matrix, live: torch.Tensor = LIVE, fill: float = math.nan) -> torch.Tensor:
    out = torch.full((x.shape[0], weight.values.shape[0] // 2), fill, dtype=x.dtype)
    gate_up(x, weight, out, live)
    return out


def inputs(rows: int, width: int, inner: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(0)
    x, matrix = torch.randn(rows, inner, generator=generator), torch.randn(2 * width, inner, generator=generator)
    return x.to(dtype), (matrix / math.sqrt(inner)).to(dtype)


@pytest.mark.parametrize(("rows", "width", "inner"), [(32, 64, 128), (1, 32, 64), (17, 50, 80), (130, 33, 64)])
def test_gate_up_agrees_with_pytorch(rows, width, inner):
    x, matrix = inputs(rows, width, inner)
    weight = Matrix(matrix)
    torch.testing.assert_close(run(x, weight), gate_up_reference(x, weight), rtol=1e-4, atol=1e-5)


def test_half_precision_is_rounded_where_the_network_rounds():
    x, matrix = inputs(16, 64, 128, torch.float16)
    found, expected = run(x, Matrix(matrix)), gate_up_reference(x, Matrix(matrix))
    # Another order of summation may change the rounding of a few values; rounding elsewhere would change a third of
    # them.
    assert (found != expected).float().mean() < 0.02
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-3)


def test_eight_bit_weights():
    x, matrix = inputs(8, 40, 128)
    weight = quantize_to_fp8(matrix)
    torch.testing.assert_close(run(x, weight), gate_up_reference(x, weight), rtol=1e-4, atol=1e-5)


def test_eight_bit_rows_and_weights():
    x, weight = (quantize_to_fp8(part) for part in inputs(20, 40, 128))
    out = torch.full((20, 40), math.nan)
    gate_up(x, weight, out, LIVE)
    torch.testing.assert_close(out, gate_up_reference(x, weight), rtol=1e-4, atol=1e-5)


def test_nothing_is_written_after_all_sequences_are_done():
    x, matrix = inputs(2, 32, 64)
    assert (run(x, Matrix(matrix), torch.zeros(1, dtype=torch.int32), fill=7) == 7).all()
