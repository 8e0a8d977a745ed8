"""Queries, keys and values: from their product to the cache."""

import math
from typing import Any

import pytest
import torch

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels.qkv import make_rope_table, rope_and_cache, rope_and_cache_reference

LIVE = torch.ones(1, dtype=torch.int32)
CPU = torch.device("cpu")


def make_config(**changes: Any) -> ModelConfig:
    sizes = {"vocab_size": 10, "hidden": 64, "layers": 1, "heads": 4, "kv_heads": 2, "head_dim": 64, "intermediate": 64}
    return ModelConfig(**sizes | {"mask_id": 1, "end_id": 2, "pad_id": 3} | changes)


def run(config: ModelConfig, positions: torch.Tensor, sequences: int, splits: int, dtype: torch.dtype) -> Any:
    rows, head_dim, kv_heads = len(positions), config.head_dim, config.kv_heads
    generator = torch.Generator().manual_seed(0)
    width = (config.heads + 2 * kv_heads) * head_dim
    partials = torch.randn(splits, rows, width, generator=generator)
    bias = torch.randn(width, generator=generator).to(dtype) if config.qkv_bias else None
    gains = [torch.randn(head_dim, generator=generator).to(dtype) if config.qk_norm else None for _ in range(2)]
    table = make_rope_table(config, 64, dtype, CPU)
    queries = torch.full((rows, config.heads * head_dim), math.nan, dtype=dtype)
    keys, values = torch.full((2, sequences, kv_heads, 64, head_dim), 7.0, dtype=dtype)
    rope_and_cache(partials, bias, *gains, 1e-6, table, positions, queries, keys, values, LIVE)
    expected = rope_and_cache_reference(
        partials, bias, *gains, 1e-6, table, positions, kv_heads=kv_heads, head_dim=head_dim, dtype=dtype
    )
    return queries.view(rows, config.heads, head_dim), keys, values, expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(
    "changes",
    [{}, {"qkv_bias": True}, {"qk_norm": True}, {"rotary": 0.5, "qk_norm": True}, {"head_dim": 128, "heads": 2}],
    ids=str,
)
def test_queries_and_cache_equal_those_of_the_layers(changes, dtype):
    positions = torch.tensor([5, 6, 7, 20, 21, 22], dtype=torch.int32)
    queries, keys, values, expected = run(make_config(**changes), positions, 2, 3, dtype)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 3e-3, "atol": 3e-3}
    torch.testing.assert_close(queries, expected[0], **tolerance)
    for row, position in enumerate(positions.tolist()):
        torch.testing.assert_close(keys[row // 3, :, position], expected[1][row], **tolerance)
        torch.testing.assert_close(values[row // 3, :, position], expected[2][row], **tolerance)


def test_other_slots_stay_unchanged_and_padding_writes_nothing():
    positions = torch.tensor([3, -1, 9, 10], dtype=torch.int32)
    queries, keys, values, _ = run(make_config(), positions, 2, 1, torch.float32)
    written = torch.zeros(2, 64, dtype=torch.bool)
    written[0, 3] = written[1, 9] = written[1, 10] = True
    for cache in (keys, values):
        assert ((cache != 7).any(dim=(1, 3)) == written).all()
    assert queries.isfinite().all()


def test_the_rotation_table_equals_the_networks_rotations():
    from evalharness.diffusion.network import rope_rotation

    config = make_config(rotary=0.5)
    cosines, sines = make_rope_table(config, 40, torch.bfloat16, CPU)
    cos, sin = rope_rotation(config, torch.tensor([[39]]), torch.bfloat16)
    assert torch.equal(torch.cat((cosines[39], cosines[39])), cos[0, 0, 0])
    assert torch.equal(torch.cat((-sines[39], sines[39])), sin[0, 0, 0])
