"""Quantization to 8-bit floats."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.kernels.fp8 import FP8, allocate_fp8_matrix, quantize_rows, quantize_to_fp8


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**20), st.floats(1e-6, 1e4))
def test_the_quantization_error_is_within_its_bound(seed, size):
    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(seed)) * size
    found = quantize_to_fp8(weight)
    assert found.scale is not None
    error = (found.dequantized(torch.float32) - weight).abs()
    assert (error <= torch.maximum(weight.abs() / 16, found.scale[:, None] / 1024) * 1.0001).all()


def test_rows_of_zeros_and_the_largest_value():
    weight = torch.tensor([[0.0, 0.0], [3.0, -896.0]])
    found = quantize_to_fp8(weight)
    assert torch.equal(found.dequantized(torch.float32)[:, 1], weight[:, 1])
    assert torch.equal(found.values[0].float(), torch.zeros(2))


def narrowed(x, live=1):
    room = allocate_fp8_matrix(*x.shape, "cpu")
    room.values.view(torch.uint8).fill_(0x7F)
    room.scale.fill_(math.nan)
    quantize_rows(x, room, torch.tensor([live], dtype=torch.int32))
    return room


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**20), st.floats(1e-30, 1e30), st.sampled_from([1, 80, 128, 300, 4100]))
def test_rows_are_quantized_exactly_like_weights(seed, size, inner):
    x = torch.randn(3, inner, generator=torch.Generator().manual_seed(seed)) * size
    x[1] = 0
    # From the largest number down to less than half of the smallest 8-bit float.
    x[2] *= 2.0 ** -torch.arange(inner).remainder(22)
    found, expected = narrowed(x), quantize_to_fp8(x)
    assert torch.equal(found.scale, expected.scale)
    assert torch.equal(found.values.float(), expected.values.float())


def test_half_precision_is_quantized_and_nothing_is_written_after_the_end():
    x = torch.randn(2, 96, generator=torch.Generator().manual_seed(0)).half()
    assert torch.equal(narrowed(x).values.view(torch.uint8), quantize_to_fp8(x).values.view(torch.uint8))
    idle = narrowed(x, live=0)
    assert idle.scale.isnan().all()
    assert (idle.values.view(torch.uint8) == 0x7F).all()
    assert idle.values.dtype == FP8
