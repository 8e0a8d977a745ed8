"""Attention kernel: queries of a few tokens over the KV cache, which already contains their keys and values.

The query heads that share a key-value head form one tile, so that the matrix unit is full and each key is read once.
The cache is split among programs, whose results are merged by their log-sum-exp. Sources: Flash-Decoding for split and
merge, FlashAttention-2 (arXiv 2307.08691) for the online softmax.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import INTERPRETED, begin_kernel, ceil_div, launch_options

LOG2_E = 1.4426950408889634
BLOCK_S = 64
"""Cache slots that a program reads at a time."""


@triton.jit(do_not_specialize=["rows", "size", "capacity"])
def attend_split(
    live: tl.tensor, queries: tl.tensor, keys: tl.tensor, values: tl.tensor, limits: tl.tensor, partials: tl.tensor,
    log_sums: tl.tensor, rows: tl.tensor, size: tl.tensor, capacity: tl.tensor, scale: tl.tensor, HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr, D: tl.constexpr, SPLITS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_S: tl.constexpr,
    UPCAST: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: computes the attention of a tile of queries over one split (part) of the KV cache.

    There is one program per tile and split. A tile has queries of one sequence and one key-value head: pairs of a token
    and a query head. The kernel writes `partials` and `log_sums`, the results per split, which `merge_splits` merges.
    """
    if not begin_kernel(live, PDL):
        return
    GROUP: tl.constexpr = HEADS // KV_HEADS
    tile, split = tl.program_id(0) // SPLITS, tl.program_id(0) % SPLITS
    kv_head, sequence = tl.program_id(1), tl.program_id(2).to(tl.int64)
    pair = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    valid = pair < size * GROUP
    row = sequence * size + pair // GROUP
    limit = tl.load(limits + row, mask=valid, other=-1)
    index = row * HEADS + kv_head * GROUP + pair % GROUP
    d = tl.arange(0, D)
    query = tl.load(queries + index[:, None] * D + d[None, :], mask=valid[:, None], other=0.0)

    end = tl.max(limit, axis=0) + 1
    split_size = tl.cdiv(tl.cdiv(end, SPLITS), BLOCK_S) * BLOCK_S
    begin, end = split * split_size, tl.minimum(end, (split + 1) * split_size)
    base = (sequence * KV_HEADS + kv_head) * capacity * D
    row_max = tl.full([BLOCK_M], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    accumulated = tl.zeros([BLOCK_M, D], tl.float32)
    for first in range(begin, end, BLOCK_S):
        slot = first + tl.arange(0, BLOCK_S)
        in_split = slot[:, None] < end
        key = tl.load(keys + base + slot[:, None] * D + d[None, :], mask=in_split, other=0.0)
        value = tl.load(values + base + slot[:, None] * D + d[None, :], mask=in_split, other=0.0)
        if UPCAST:
            scores = tl.dot(query.to(tl.float32), tl.trans(key.to(tl.float32)), input_precision="ieee")
        else:
            scores = tl.dot(query, tl.trans(key))
        visible = (slot[None, :] <= limit[:, None]) & (slot[None, :] < end)
        scores = tl.where(visible, scores * scale, -float("inf"))
        new_max = tl.maximum(row_max, tl.max(scores, axis=1))
        # A row that has seen no slot has a maximum of minus infinity, and subtracting it from itself would give NaN.
        safe_max = tl.where(new_max == -float("inf"), 0.0, new_max)
        weight, decay = tl.exp2(scores - safe_max[:, None]), tl.exp2(row_max - safe_max)
        total = total * decay + tl.sum(weight, axis=1)
        accumulated = accumulated * decay[:, None]
        if UPCAST:
            rounded = weight.to(value.dtype).to(tl.float32)
            accumulated = tl.dot(rounded, value.to(tl.float32), accumulated, input_precision="ieee")
        else:
            accumulated = tl.dot(weight.to(value.dtype), value, accumulated)
        row_max = new_max
    target = split * rows * HEADS + index
    tl.store(log_sums + target, tl.where(total > 0, row_max + tl.log2(total), -float("inf")), mask=valid)
    accumulated = accumulated / tl.where(total > 0, total, 1.0)[:, None]
    tl.store(partials + target[:, None] * D + d[None, :], accumulated, mask=valid[:, None])


@triton.jit(do_not_specialize=["count"])
def merge_splits(
    live: tl.tensor, partials: tl.tensor, log_sums: tl.tensor, attended: tl.tensor, count: tl.tensor, D: tl.constexpr,
    SPLITS: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: merges the attention results of all splits of the KV cache, for `count` pairs of a token and a head.

    It reads `partials` and `log_sums`, the results of `attend_split`, and writes `attended`. Splits are added in a
    fixed order, so that the rounding is the same in every run.
    """
    if not begin_kernel(live, PDL):
        return
    pair = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    valid = pair < count
    d = tl.arange(0, D)
    row_max = tl.full([BLOCK], -float("inf"), tl.float32)
    for split in tl.static_range(SPLITS):
        row_max = tl.maximum(row_max, tl.load(log_sums + split * count + pair, mask=valid, other=-float("inf")))
    safe_max = tl.where(row_max == -float("inf"), 0.0, row_max)
    total = tl.zeros([BLOCK], tl.float32)
    accumulated = tl.zeros([BLOCK, D], tl.float32)
    for split in tl.static_range(SPLITS):
        weight = tl.exp2(tl.load(log_sums + split * count + pair, mask=valid, other=-float("inf")) - safe_max)
        part = tl.load(partials + (split * count + pair)[:, None] * D + d[None, :], mask=valid[:, None], other=0.0)
        total += weight
        accumulated += weight[:, None] * part
    accumulated = accumulated / tl.where(total > 0, total, 1.0)[:, None]
    tl.store(attended + pair[:, None] * D + d[None, :], accumulated.to(attended.dtype.element_ty), mask=valid[:, None])


def query_tile_rows_and_count(tokens_per_sequence: int, heads_per_group: int) -> tuple[int, int]:
    """Returns the rows per tile of queries, and the number of tiles for each pair of a sequence and a key-value head.

    A row is a pair of a token and one of the `heads_per_group` query heads that share a key-value head. A tile has 64
    or 128 rows, as the Hopper instruction wgmma needs them.
    """
    block = 64 if tokens_per_sequence * heads_per_group <= 64 else 128
    return block, ceil_div(tokens_per_sequence * heads_per_group, block)


def warps_per_tile(tile_rows: int) -> int:
    """Returns the number of warps of the attention kernel for a tile of `tile_rows` query rows: four per 64 rows."""
    return tile_rows // 16


def choose_cache_splits(
    capacity: int, sequences: int, kv_heads: int, tokens_per_sequence: int, heads_per_group: int, processors: int = 132
) -> int:
    """Returns the number of parts (splits) into which attention divides the KV cache, so that all multiprocessors work.

    It is a power of two, at most 16. `heads_per_group` is the number of query heads per key-value head,
    `tokens_per_sequence` the number of tokens per sequence, and `processors` the number of multiprocessors of the GPU.
    """
    programs = sequences * kv_heads * query_tile_rows_and_count(tokens_per_sequence, heads_per_group)[1]
    target = min(16, ceil_div(capacity, BLOCK_S), max(1, processors // programs))
    return 1 << (target.bit_length() - 1)


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, limits: Tensor, partials: Tensor, log_sums: Tensor, attended: Tensor,
    live_count: Tensor,
) -> None:  # fmt: skip
    """Writes the attention of N = B * T `queries` [N, heads * head_dim] over the KV cache to `attended`.

    `attended` has the shape of `queries`; `keys` and `values` are the cache [B, kv_heads, capacity, head_dim]. Row n
    belongs to sequence n // T and attends to the slots up to and including limits[n], int32; with a limit of -1 its
    result is zero. `partials` [splits, N, heads, head_dim] and `log_sums` [splits, N, heads], float32, are scratch
    buffers. `live_count` [1] is the number of sequences that still decode; at 0 nothing is computed.
    """
    sequences, kv_heads, capacity, width = keys.shape
    split_count, rows, heads, _ = partials.shape
    size, group = rows // sequences, heads // kv_heads
    block, count = query_tile_rows_and_count(size, group)
    shared_options = launch_options(live_count)
    attend_split[(count * split_count, kv_heads, sequences)](
        live_count, queries, keys, values, limits, partials, log_sums, rows, size, capacity, LOG2_E / math.sqrt(width),
        HEADS=heads, KV_HEADS=kv_heads, D=width, SPLITS=split_count, BLOCK_M=block, BLOCK_S=BLOCK_S, UPCAST=INTERPRETED,
        num_warps=warps_per_tile(block), num_stages=2, **shared_options,
    )  # fmt: skip
    merge_splits[(ceil_div(rows * heads, 4),)](
        live_count,
        partials,
        log_sums,
        attended,
        rows * heads,
        D=width,
        SPLITS=split_count,
        BLOCK=4,
        num_warps=4,
        **shared_options,
    )


def attend_reference(queries: Tensor, keys: Tensor, values: Tensor, limits: Tensor) -> Tensor:
    """Returns the result of `attend`, computed by PyTorch. Every row must attend to at least one slot."""
    sequences, _, capacity, width = keys.shape
    rows, all_width = queries.shape
    by_head = queries.view(sequences, rows // sequences, all_width // width, width).transpose(1, 2)
    mask = torch.arange(capacity, device=keys.device) <= limits.view(sequences, 1, -1, 1)
    attended = F.scaled_dot_product_attention(by_head, keys, values, attn_mask=mask, enable_gqa=True)
    return attended.transpose(1, 2).reshape(rows, all_width)
