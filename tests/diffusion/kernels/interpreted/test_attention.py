"""Attention over the cache."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.kernels.attention import attend, attend_reference, choose_cache_splits

LIVE = torch.ones(1, dtype=torch.int32)


def run(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, limits: torch.Tensor, pieces: int):
    width = keys.shape[-1]
    rows, heads = queries.shape[0], queries.shape[1] // width
    parts = torch.full((pieces, rows, heads, width), math.nan)
    logs = torch.full((pieces, rows, heads), math.nan)
    seen = torch.full_like(queries, math.nan)
    attend(queries, keys, values, limits, parts, logs, seen, LIVE)
    return seen


def inputs(sequences, size, heads, kv_heads, width, capacity, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(sequences * size, heads * width, generator=generator).to(dtype)
    keys, values = torch.randn(2, sequences, kv_heads, capacity, width, generator=generator).to(dtype)
    return queries, keys, values


@pytest.mark.parametrize(
    ("sequences", "size", "heads", "kv_heads", "width", "capacity", "pieces"),
    [(1, 1, 2, 1, 64, 70, 1), (2, 5, 6, 2, 64, 150, 4), (1, 32, 4, 2, 64, 130, 2), (1, 33, 7, 1, 64, 96, 2),
     (1, 3, 2, 2, 128, 65, 8)],
)  # fmt: skip
def test_attend_agrees_with_pytorch(sequences, size, heads, kv_heads, width, capacity, pieces):
    queries, keys, values = inputs(sequences, size, heads, kv_heads, width, capacity)
    limits = torch.randint(0, capacity, (sequences * size,), dtype=torch.int32, generator=torch.manual_seed(1))
    seen = run(queries, keys, values, limits, pieces)
    torch.testing.assert_close(seen, attend_reference(queries, keys, values, limits), rtol=1e-5, atol=1e-5)


def test_half_precision():
    queries, keys, values = inputs(1, 8, 4, 2, 64, 100, torch.float16)
    limits = torch.full((8,), 99, dtype=torch.int32)
    seen = run(queries, keys, values, limits, 2)
    exact = attend_reference(queries.double(), keys.double(), values.double(), limits)
    torch.testing.assert_close(seen.double(), exact, rtol=2e-3, atol=2e-3)


def test_slots_after_every_limit_are_not_read():
    queries, keys, values = inputs(2, 4, 2, 1, 64, 200)
    limits = torch.tensor([6, 7, 8, 9, 66, 67, 68, 69], dtype=torch.int32)
    clean = run(queries, keys, values, limits, 4)
    for sequence, end in ((0, 10), (1, 70)):
        keys[sequence, :, end:] = values[sequence, :, end:] = math.nan
    torch.testing.assert_close(run(queries, keys, values, limits, 4), clean, rtol=0, atol=0)


def test_a_row_without_visible_slots_is_zero():
    queries, keys, values = inputs(1, 2, 2, 1, 64, 64)
    seen = run(queries, keys, values, torch.tensor([-1, 3], dtype=torch.int32), 2)
    assert (seen[0] == 0).all()
    assert seen[1].isfinite().all()
    assert (seen[1] != 0).any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**20), st.lists(st.integers(0, 199), min_size=3, max_size=3))
def test_the_number_of_splits_does_not_change_the_result(seed, limits):
    queries, keys, values = inputs(1, 3, 2, 1, 64, 200, seed=seed)
    bounds = torch.tensor(limits, dtype=torch.int32)
    whole = run(queries, keys, values, bounds, 1)
    for pieces in (2, 8):
        torch.testing.assert_close(run(queries, keys, values, bounds, pieces), whole, rtol=1e-5, atol=1e-6)


def test_nothing_is_written_after_all_sequences_are_done():
    queries, keys, values = inputs(1, 2, 2, 1, 64, 64)
    seen = torch.full_like(queries, 7.0)
    parts, logs = torch.zeros(1, 2, 2, 64), torch.zeros(1, 2, 2)
    limits = torch.zeros(2, dtype=torch.int32)
    attend(queries, keys, values, limits, parts, logs, seen, torch.zeros(1, dtype=torch.int32))
    assert (seen == 7).all()


@pytest.mark.parametrize(
    ("sequences", "kv_heads", "group", "expected"), [(1, 4, 7, 16), (1, 2, 6, 16), (8, 4, 7, 2), (64, 4, 7, 1)]
)
def test_fewer_sequences_have_more_splits(sequences, kv_heads, group, expected):
    assert choose_cache_splits(1024, sequences, kv_heads, 32, group) == expected
