"""Attention of a block's rows over the cache, where their own keys and values already lie.

The query heads that share a key-value head are packed into one tile, so that the matrix unit is full and each key is
read once. The cache is split among programs, and their results are merged by the logarithms of their sums.
Source of the split and merge: Flash-Decoding; of the online softmax: FlashAttention-2 (arXiv 2307.08691).
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import INTERPRETED, divide, enter, options

LOG2_E = 1.4426950408889634
BLOCK_S = 64
"""Slots of the cache read at a time."""


@triton.jit(do_not_specialize=["rows", "size", "capacity"])
def attend_split(
    live, queries, keys, values, limits, parts, logs, rows, size, capacity, scale,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, D: tl.constexpr, SPLITS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_S: tl.constexpr, UPCAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """A tile of (token, head of the group) pairs of one sequence and key-value head, over one part of the cache."""
    if not enter(live, PDL):
        return
    GROUP: tl.constexpr = HEADS // KV_HEADS
    tile, split = tl.program_id(0) // SPLITS, tl.program_id(0) % SPLITS
    kv_head, sequence = tl.program_id(1), tl.program_id(2).to(tl.int64)
    pair = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    real = pair < size * GROUP
    row = sequence * size + pair // GROUP
    limit = tl.load(limits + row, mask=real, other=-1)
    place = row * HEADS + kv_head * GROUP + pair % GROUP
    d = tl.arange(0, D)
    query = tl.load(queries + place[:, None] * D + d[None, :], mask=real[:, None], other=0.0)

    end = tl.max(limit, axis=0) + 1
    share = tl.cdiv(tl.cdiv(end, SPLITS), BLOCK_S) * BLOCK_S
    begin, end = split * share, tl.minimum(end, (split + 1) * share)
    base = (sequence * KV_HEADS + kv_head) * capacity * D
    highest = tl.full([BLOCK_M], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    found = tl.zeros([BLOCK_M, D], tl.float32)
    for first in range(begin, end, BLOCK_S):
        slot = first + tl.arange(0, BLOCK_S)
        there = slot[:, None] < end
        key = tl.load(keys + base + slot[:, None] * D + d[None, :], mask=there, other=0.0)
        value = tl.load(values + base + slot[:, None] * D + d[None, :], mask=there, other=0.0)
        if UPCAST:
            scores = tl.dot(query.to(tl.float32), tl.trans(key.to(tl.float32)), input_precision="ieee")
        else:
            scores = tl.dot(query, tl.trans(key))
        seen = (slot[None, :] <= limit[:, None]) & (slot[None, :] < end)
        scores = tl.where(seen, scores * scale, -float("inf"))
        new = tl.maximum(highest, tl.max(scores, axis=1))
        # A row that sees nothing yet has no highest score, and infinity less infinity is no number.
        safe = tl.where(new == -float("inf"), 0.0, new)
        weight, decay = tl.exp2(scores - safe[:, None]), tl.exp2(highest - safe)
        total = total * decay + tl.sum(weight, axis=1)
        found = found * decay[:, None]
        if UPCAST:
            rounded = weight.to(value.dtype).to(tl.float32)
            found = tl.dot(rounded, value.to(tl.float32), found, input_precision="ieee")
        else:
            found = tl.dot(weight.to(value.dtype), value, found)
        highest = new
    target = split * rows * HEADS + place
    tl.store(logs + target, tl.where(total > 0, highest + tl.log2(total), -float("inf")), mask=real)
    found = found / tl.where(total > 0, total, 1.0)[:, None]
    tl.store(parts + target[:, None] * D + d[None, :], found, mask=real[:, None])


@triton.jit(do_not_specialize=["count"])
def merge_splits(
    live, parts, logs, seen, count, D: tl.constexpr, SPLITS: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr
):
    """The softmax over the whole cache from those over its parts: `count` (row, head) pairs, in the order of splits."""
    if not enter(live, PDL):
        return
    pair = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = pair < count
    d = tl.arange(0, D)
    highest = tl.full([BLOCK], -float("inf"), tl.float32)
    for split in tl.static_range(SPLITS):
        highest = tl.maximum(highest, tl.load(logs + split * count + pair, mask=real, other=-float("inf")))
    safe = tl.where(highest == -float("inf"), 0.0, highest)
    total = tl.zeros([BLOCK], tl.float32)
    found = tl.zeros([BLOCK, D], tl.float32)
    for split in tl.static_range(SPLITS):
        weight = tl.exp2(tl.load(logs + split * count + pair, mask=real, other=-float("inf")) - safe)
        part = tl.load(parts + (split * count + pair)[:, None] * D + d[None, :], mask=real[:, None], other=0.0)
        total += weight
        found += weight[:, None] * part
    found = found / tl.where(total > 0, total, 1.0)[:, None]
    tl.store(seen + pair[:, None] * D + d[None, :], found.to(seen.dtype.element_ty), mask=real[:, None])


def tiles(size: int, group: int) -> tuple[int, int]:
    """(rows of a tile, tiles) for `size` tokens of `group` heads each; a tile is what wgmma takes, 64 or 128 rows."""
    block = 64 if size * group <= 64 else 128
    return block, divide(size * group, block)


def warps(block: int) -> int:
    """Warps of a program: a group of four for each 64 rows of its tile."""
    return block // 16


def splits(capacity: int, sequences: int, kv_heads: int, size: int, group: int, processors: int = 132) -> int:
    """How many parts the cache is split into, so that all multiprocessors have work: a power of two, 16 at most."""
    programs = sequences * kv_heads * tiles(size, group)[1]
    wanted = min(16, divide(capacity, BLOCK_S), max(1, processors // programs))
    return 1 << (wanted.bit_length() - 1)


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, limits: Tensor, parts: Tensor, logs: Tensor, seen: Tensor,
    live: Tensor,
) -> None:  # fmt: skip
    """Writes to `seen` [N, heads * head_dim] what each of the N = B x T `queries` [N, heads * head_dim] sees.

    `keys` and `values` [B, kv_heads, capacity, head_dim] hold slot by slot the text and the block itself; row n
    belongs to sequence n // T and sees the slots up to `limits` [N], int32, -1 for none: its result is then zero.
    `parts` [splits, N, heads, head_dim] and `logs` [splits, N, heads], float32, are work space.
    """
    sequences, kv_heads, capacity, width = keys.shape
    pieces, rows, heads, _ = parts.shape
    size, group = rows // sequences, heads // kv_heads
    block, count = tiles(size, group)
    more = options(live)
    attend_split[(count * pieces, kv_heads, sequences)](
        live, queries, keys, values, limits, parts, logs, rows, size, capacity, LOG2_E / math.sqrt(width),
        HEADS=heads, KV_HEADS=kv_heads, D=width, SPLITS=pieces, BLOCK_M=block, BLOCK_S=BLOCK_S, UPCAST=INTERPRETED,
        num_warps=warps(block), num_stages=2, **more,
    )  # fmt: skip
    merge_splits[(divide(rows * heads, 4),)](
        live, parts, logs, seen, rows * heads, D=width, SPLITS=pieces, BLOCK=4, num_warps=4, **more
    )


def attend_reference(queries: Tensor, keys: Tensor, values: Tensor, limits: Tensor) -> Tensor:
    """What `attend` writes, by PyTorch's own attention. Every row has to see one slot at least."""
    sequences, _, capacity, width = keys.shape
    rows, all_width = queries.shape
    per_row = queries.view(sequences, rows // sequences, all_width // width, width).transpose(1, 2)
    mask = torch.arange(capacity, device=keys.device) <= limits.view(sequences, 1, -1, 1)
    seen = F.scaled_dot_product_attention(per_row, keys, values, attn_mask=mask, enable_gqa=True)
    return seen.transpose(1, 2).reshape(rows, all_width)
