"""RMSNorm with the operation before it."""

import math

import pytest
import torch

from evalharness.diffusion.kernels.norm import (
    add_and_norm,
    add_and_norm_reference,
    embed_and_norm,
    embed_and_norm_reference,
    sum_and_norm,
    sum_and_norm_reference,
)

LIVE = torch.ones(1, dtype=torch.int32)


@pytest.mark.parametrize(("rows", "hidden"), [(4, 128), (1, 96), (33, 300)])
def test_embed_and_norm_agrees_with_pytorch(rows, hidden):
    generator = torch.Generator().manual_seed(0)
    table, gain = torch.randn(50, hidden, generator=generator), torch.randn(hidden, generator=generator)
    tokens = torch.randint(0, 50, (rows,), generator=generator)
    residual, normed = torch.full((2, rows, hidden), math.nan)
    embed_and_norm(tokens, table, gain, 1e-6, residual, normed, LIVE)
    for found, expected in zip((residual, normed), embed_and_norm_reference(tokens, table, gain, 1e-6), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("splits", "rows", "hidden"), [(1, 4, 128), (3, 1, 96), (8, 5, 300)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_add_and_norm_agrees_with_pytorch(splits, rows, hidden, dtype):
    generator = torch.Generator().manual_seed(0)
    partials = torch.randn(splits, rows, hidden, generator=generator)
    residual, gain = (torch.randn(*shape, hidden, generator=generator).to(dtype) for shape in ((rows,), ()))
    expected_residual, expected = add_and_norm_reference(partials, residual, gain, 1e-5)
    normed = torch.full_like(residual, math.nan)
    add_and_norm(partials, residual, gain, 1e-5, normed, LIVE)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 2e-3, "atol": 2e-3}
    torch.testing.assert_close(residual, expected_residual, **tolerance)
    torch.testing.assert_close(normed, expected, **tolerance)


@pytest.mark.parametrize(("splits", "rows", "hidden"), [(1, 4, 128), (5, 3, 96)])
@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_sum_and_norm_agrees_with_pytorch_and_writes_only_its_columns(splits, rows, hidden, normalized, dtype):
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(splits, rows, hidden, generator=generator)
    gain = torch.randn(hidden, generator=generator).to(dtype) if normalized else None
    wide = torch.full((rows, 3 * hidden), 7.0, dtype=dtype)
    sum_and_norm(parts, gain, 1e-5, wide[:, hidden : 2 * hidden], LIVE)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 2e-3, "atol": 2e-3}
    expected = sum_and_norm_reference(parts, gain, 1e-5, dtype)
    torch.testing.assert_close(wide[:, hidden : 2 * hidden], expected, **tolerance)
    assert (wide[:, :hidden] == 7).all()
    assert (wide[:, 2 * hidden :] == 7).all()


def test_parts_are_added_in_order():
    partials = torch.tensor([1e8, 1.0, -1e8, 1.0]).view(4, 1, 1).expand(4, 2, 64).contiguous()
    residual, normed = torch.zeros(2, 64), torch.zeros(2, 64)
    add_and_norm(partials, residual, torch.ones(64), 1e-6, normed, LIVE)
    assert (residual == 1.0).all(), "in another order the sum is 0 or 2"


def test_nothing_is_written_after_all_sequences_are_done():
    residual, normed = torch.full((2, 1, 64), 7.0)
    add_and_norm(torch.ones(1, 1, 64), residual, torch.ones(64), 1e-6, normed, torch.zeros(1, dtype=torch.int32))
    assert (residual == 7).all()
    assert (normed == 7).all()
