"""Kernels around the network's products, compiled ahead of time for Hopper at the shapes of real networks."""

from typing import Any

import pytest

pytest.importorskip("triton", reason="Triton is not to be had on this system")

from evalharness.diffusion.kernels import attention, commit, head, plan
from gate import build, faults

TYPES = dict.fromkeys(("live", "done", "rows", "places", "count", "banned", "limits", "draws", "tokens"), "*i32")
STATE = dict.fromkeys(
    ("block_tokens", "masked", "length", "given", "counts", "last", "context", "ahead", "cached", "step", "fixed",
     "ends", "top", "positions"), "*i32",
)  # fmt: skip
FLOATS = dict.fromkeys(("sure", "probability", "second", "entropy", "sums", "scales", "parts", "logs"), "*fp32")
NUMBERS = dict.fromkeys(("size", "sequences", "wanted", "vocabulary", "capacity"), "i32")


@pytest.mark.parametrize(
    ("heads", "kv_heads", "width", "size"),
    [(14, 2, 64, 32), (12, 2, 128, 32), (28, 4, 128, 32), (28, 4, 128, 64), (32, 32, 128, 32), (28, 4, 128, 1)],
)
def test_attention(heads: int, kv_heads: int, width: int, size: int) -> None:
    block, _ = attention.tiles(size, heads // kv_heads)
    splits = attention.splits(1024, 1, kv_heads, size, heads // kv_heads)
    types = TYPES | FLOATS | NUMBERS | dict.fromkeys(("queries", "keys", "values", "seen"), "*bf16") | {"scale": "fp32"}
    constants = {
        "HEADS": heads, "KV_HEADS": kv_heads, "D": width, "SPLITS": splits, "BLOCK_M": block,
        "BLOCK_S": attention.BLOCK_S, "UPCAST": False, "PDL": True,
    }  # fmt: skip
    warps = attention.warps(block)
    assert faults(build(attention.attend_split, types | {"rows": "i32"}, constants, warps, 2), matrix=True) == []
    merge = {"D": width, "SPLITS": splits, "BLOCK": 4, "PDL": True}
    assert faults(build(attention.merge_splits, types | {"count": "i32"}, merge, 4), matrix=False) == []


@pytest.mark.parametrize("weight", ["*bf16", "*fp8e4nv"])
@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize(("hidden", "wanted"), [(896, 1), (1536, 32), (3584, 32), (4096, 64)])
def test_head(weight: str, noise: bool, hidden: int, wanted: int) -> None:
    block_v, block_n = head.tile_shape(wanted)
    types = TYPES | FLOATS | NUMBERS | {"states": "*bf16", "weight": weight, "seeds": "*i64", "temperature": "fp32"}
    constants = {
        "H": hidden, "BANNED": 1, "SCALED": weight != "*bf16", "NOISE": noise, "BLOCK_V": block_v, "BLOCK_N": block_n,
        "BLOCK_K": 64, "UPCAST": False, "PDL": True,
    }  # fmt: skip
    kernel = build(head.vocabulary_tile, types | {"length": "i32"}, constants, head.warps(block_n), 4)
    assert faults(kernel, matrix=True) == []
    merge = {"TILES": 1188, "BLOCK": 2048, "PDL": True}
    assert faults(build(head.merge_tiles, types | STATE | FLOATS, merge, 4), matrix=False) == []


@pytest.mark.parametrize("following", [False, True])
def test_layout(following: bool) -> None:
    constants: dict[str, Any] = {
        "L": 32, "C": 33, "BLOCK": 32, "SHIFT": 1, "NEXT": following, "BLOCK_T": 128, "BLOCK_L": 32, "BLOCK_ALL": 1024,
        "PDL": True,
    }  # fmt: skip
    assert faults(build(plan.lay_out_pieces, TYPES | STATE | NUMBERS, constants, 4), matrix=False) == []


@pytest.mark.parametrize("rule", commit.RULES)
def test_commit(rule: str) -> None:
    constants: dict[str, Any] = {
        "L": 32, "C": 33, "S": 32, "E": 2, "RULE": rule, "SUB": 8, "SEEDED": True, "SHIFT": 1, "BLOCK_L": 32, "PDL": True,
    }  # fmt: skip
    types = TYPES | STATE | FLOATS | {"level": "fp32"}
    assert faults(build(commit.commit_block, types, constants, 1), matrix=False) == []


def test_append() -> None:
    constants = {"L": 32, "C": 1, "E": 2, "PDL": True}
    assert faults(build(commit.append_token, TYPES | STATE | FLOATS, constants, 1), matrix=False) == []
