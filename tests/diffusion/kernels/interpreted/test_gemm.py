"""The product of few rows with a large matrix."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.kernels.fp8 import Matrix, quantize_to_fp8
from evalharness.diffusion.kernels.gemm import plan_matmul_tiling, split_matmul, split_matmul_reference

LIVE = torch.ones(1, dtype=torch.int32)


def run(x: torch.Tensor | Matrix, weight: Matrix, splits: int) -> torch.Tensor:
    rows = (x.values if isinstance(x, Matrix) else x).shape[0]
    partials = torch.full((splits, rows, weight.values.shape[0]), math.nan)
    split_matmul(x, weight, partials, LIVE)
    return partials


def inputs(rows: int, width: int, inner: int, dtype: torch.dtype = torch.float32, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    x, matrix = (torch.randn(size, inner, generator=generator) for size in (rows, width))
    return x.to(dtype), matrix.to(dtype)


@pytest.mark.parametrize(
    ("rows", "width", "inner", "splits"),
    [(32, 64, 128, 1), (1, 64, 64, 1), (16, 70, 192, 3), (33, 64, 80, 2), (130, 65, 64, 1), (5, 64, 192, 8)],
)
def test_parts_agree_with_pytorch(rows, width, inner, splits):
    x, matrix = inputs(rows, width, inner)
    weight = Matrix(matrix)
    torch.testing.assert_close(run(x, weight, splits), split_matmul_reference(x, weight, splits), rtol=1e-5, atol=1e-4)


def test_half_precision_is_summed_in_float32():
    x, matrix = inputs(16, 64, 256, torch.float16)
    exact = x.double() @ matrix.double().T
    torch.testing.assert_close(run(x, Matrix(matrix), 2).sum(0).double(), exact, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("rows", "width", "inner", "splits"), [(32, 64, 256, 2), (3, 66, 128, 1)])
def test_eight_bit_weights(rows, width, inner, splits):
    x, matrix = inputs(rows, width, inner)
    weight = quantize_to_fp8(matrix)
    torch.testing.assert_close(run(x, weight, splits), split_matmul_reference(x, weight, splits), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("rows", "width", "inner", "splits"), [(130, 70, 256, 2), (3, 64, 96, 1)])
def test_eight_bit_rows_and_weights(rows, width, inner, splits):
    x, weight = (quantize_to_fp8(part) for part in inputs(rows, width, inner))
    torch.testing.assert_close(run(x, weight, splits), split_matmul_reference(x, weight, splits), rtol=1e-5, atol=1e-4)


def test_widening_to_bfloat16_is_exact():
    # The arithmetic of `gemm.fp8_to_bfloat16`, which the interpreter cannot run, for all of e4m3 except its two NaNs.
    byte = torch.arange(256, dtype=torch.int32)
    moved = (byte << 8) & 0x8000 | ((byte << 8) >> 4) & 0x07F0
    factor = torch.tensor(0x7B80, dtype=torch.int16).view(torch.bfloat16)
    found = moved.to(torch.int16).view(torch.bfloat16) * factor
    exact = byte.to(torch.uint8).view(torch.float8_e4m3fn).to(torch.bfloat16)
    number = byte & 0x7F != 0x7F
    assert torch.equal(found[number], exact[number])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 6))
def test_the_number_of_splits_does_not_change_the_sum(seed, splits):
    x, matrix = inputs(4, 64, 320, seed=seed)
    found = run(x, Matrix(matrix), splits).sum(0)
    torch.testing.assert_close(found, x @ matrix.T, rtol=1e-5, atol=1e-4)


def test_nothing_is_written_after_all_sequences_are_done():
    x, matrix = inputs(2, 64, 64)
    partials = torch.full((1, 2, 64), 7.0)
    split_matmul(x, Matrix(matrix), partials, torch.zeros(1, dtype=torch.int32))
    assert (partials == 7).all()


@pytest.mark.parametrize(
    ("width", "inner"),
    [(1152, 896), (896, 4864), (2048, 1536), (1536, 8960), (4608, 3584), (3584, 3584), (3584, 18944), (12288, 4096)],
)
@pytest.mark.parametrize("fp8", [False, True])
def test_all_programs_run_concurrently_and_occupy_every_multiprocessor(width, inner, fp8):
    how = plan_matmul_tiling(width, inner, 32, fp8)
    programs = -(-width // how.tile) * how.splits
    assert 0.9 * 132 <= programs <= 2 * 132
    assert inner % how.step == 0
    stage = (how.tile * (1 if fp8 else 2) + how.tokens * 2) * how.step
    assert 2 * how.stages * stage <= 227 * 1024, "two programs do not fit on a multiprocessor"
