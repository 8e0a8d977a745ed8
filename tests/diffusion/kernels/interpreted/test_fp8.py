"""Weights of eight bits."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.kernels.fp8 import quantise


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**20), st.floats(1e-6, 1e4))
def test_the_error_is_within_its_bound(seed, size):
    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(seed)) * size
    found = quantise(weight)
    assert found.scale is not None
    error = (found.dense(torch.float32) - weight).abs()
    assert (error <= torch.maximum(weight.abs() / 16, found.scale[:, None] / 1024) * 1.0001).all()


def test_channels_of_zeros_and_the_largest_value():
    weight = torch.tensor([[0.0, 0.0], [3.0, -896.0]])
    found = quantise(weight)
    assert torch.equal(found.dense(torch.float32)[:, 1], weight[:, 1])
    assert torch.equal(found.values[0].float(), torch.zeros(2))
