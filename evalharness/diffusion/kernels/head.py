"""Output head kernel: next-token statistics over the vocabulary without storing logits.

A program has a tile of the vocabulary as rows of its matrix product and a tile of positions as columns. For each column
it keeps the chosen token with its logit, the highest other logit, the sum of exponentials, and a weighted sum for the
entropy. A second, small kernel merges the tiles. Logits are rounded to the precision of the hidden states, as in the
network's own head.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.gemm import accumulate_tile, inner_step_size, prefetch_weights
from evalharness.diffusion.kernels.launch import INTERPRETED, begin_kernel, ceil_div, launch_options

SUMS = 6
"""Values per tile and position: score, logit and highest other logit of the chosen token, sum of exponentials, weighted
sum for the entropy, logit of the token to compare.
"""


@triton.jit
def gumbel_noise(seed: tl.tensor, offset: tl.tensor, token: tl.tensor) -> tl.tensor:
    """Kernel function: returns standard Gumbel noise for a token, from 32 random bits of the generator Philox.

    Large noise, without which an improbable token is never sampled, comes from uniform numbers near 0, where float32 is
    most precise. Only noise with a probability below 2^-32 cannot occur.
    """
    bits = tl.randint(seed, (offset.to(tl.int64) << 32) + token).to(tl.uint32, bitcast=True)
    uniform = tl.minimum((bits.to(tl.float32) + 0.5) * 2.3283064365386963e-10, 0.99999994)
    series = uniform * (1.0 + uniform * (0.5 + uniform * (0.33333334 + uniform * 0.25)))
    return -tl.log(tl.where(uniform < 0.015625, series, -tl.log(1.0 - uniform)))


@triton.jit(do_not_specialize=["length", "most", "addend_rows", "addend_first", "addend_step", "input_rows"])
def predict_tile(
    live: tl.tensor, states: tl.tensor, rows: tl.tensor, positions: tl.tensor, count: tl.tensor, weight: tl.tensor,
    scales: tl.tensor, banned: tl.tensor, seeds: tl.tensor, offsets: tl.tensor, compared: tl.tensor, addend: tl.tensor,
    token_ids: tl.tensor, sums: tl.tensor, tokens: tl.tensor, vocabulary: tl.tensor, hidden: tl.tensor,
    length: tl.tensor, most: tl.tensor, temperature: tl.tensor, addend_rows: tl.tensor, addend_first: tl.tensor,
    addend_step: tl.tensor, input_rows: tl.tensor, BANNED: tl.constexpr, SCALED_WEIGHTS: tl.constexpr,
    NOISE: tl.constexpr, COMPARED: tl.constexpr, ADDEND_SPLITS: tl.constexpr, BLOCK_V: tl.constexpr,
    BLOCK_N: tl.constexpr, STEP: tl.constexpr, UPCAST: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: computes token statistics over one vocabulary tile; one program per tile and `BLOCK_N` positions.

    It writes `sums` and `tokens`, the results per tile, which `merge_tiles` merges.
    """
    tile, tiles = tl.program_id(1), tl.num_programs(1)
    token = tile * BLOCK_V + tl.arange(0, BLOCK_V)
    in_vocabulary = token < vocabulary
    line = tl.minimum(token, vocabulary - 1)
    if PDL:
        prefetch_weights(weight, line, 0, hidden, hidden)
    if not begin_kernel(live, PDL):
        return
    number = tl.load(count)
    first_column = tl.program_id(0) * BLOCK_N
    if first_column >= number:
        return
    column = first_column + tl.arange(0, BLOCK_N)
    valid = column < number
    # Indices past the end repeat the last column.
    row = tl.load(rows + tl.minimum(column, number - 1)).to(tl.int64)
    logits = accumulate_tile(states, weight, line, row, 0, hidden, hidden, BLOCK_V, BLOCK_N, STEP, UPCAST)
    if SCALED_WEIGHTS:
        logits = logits * tl.load(scales + token, mask=in_vocabulary, other=0.0)[:, None]
    dtype: tl.constexpr = states.dtype.element_ty
    logits = logits.to(dtype).to(tl.float32)
    random_index = token
    if ADDEND_SPLITS > 0:
        random_index = tl.load(token_ids + line)
        source = (addend_first + tl.minimum(column, number - 1) * addend_step).to(tl.int64)
        added = tl.zeros([BLOCK_V, BLOCK_N], tl.float32)
        for part in tl.static_range(ADDEND_SPLITS):
            added += tl.load(addend + (part * addend_rows + source)[None, :] * vocabulary + line[:, None])
        logits = (logits + added.to(dtype).to(tl.float32)).to(dtype).to(tl.float32)
    allowed = in_vocabulary
    for index in tl.static_range(BANNED):
        allowed = allowed & (token != tl.load(banned + index))
    logits = tl.where(allowed[:, None], logits, -float("inf"))
    scores = logits
    if NOISE:
        position = tl.load(positions + column, mask=valid, other=0)
        seed = tl.load(seeds + position // length)
        offset = tl.load(offsets + position // length) + position % length
        scores = logits + temperature * gumbel_noise(seed[None, :], offset[None, :], random_index[:, None])

    score, chosen = tl.max(scores, axis=0, return_indices=True, return_indices_tie_break_left=True)
    is_chosen = tl.arange(0, BLOCK_V)[:, None] == chosen[None, :]
    own = tl.max(tl.where(is_chosen, logits, -float("inf")), axis=0)
    other = tl.max(tl.where(is_chosen, -float("inf"), logits), axis=0)
    # A tile may contain only banned tokens.
    base = tl.maximum(own, other)
    lower = logits - tl.where(base == -float("inf"), 0.0, base)[None, :]
    weights = tl.exp(lower)
    target = column * tiles + tile
    stride = most * tiles
    tl.store(sums + target, score, mask=valid)
    tl.store(sums + stride + target, own, mask=valid)
    tl.store(sums + 2 * stride + target, other, mask=valid)
    tl.store(sums + 3 * stride + target, tl.sum(weights, axis=0), mask=valid)
    tl.store(sums + 4 * stride + target, tl.sum(tl.where(weights > 0, weights * lower, 0.0), axis=0), mask=valid)
    tl.store(tokens + target, tile * BLOCK_V + chosen, mask=valid)
    if COMPARED:
        # The input token behind the row; the last row of all has none.
        behind = tl.load(compared + row + 1, mask=row + 1 < input_rows, other=-1)
        logit = tl.max(tl.where(token[:, None] == behind[None, :], logits, -float("inf")), axis=0)
        tl.store(sums + 5 * stride + target, logit, mask=valid)


@triton.jit(do_not_specialize=["most"])
def merge_tiles(
    live: tl.tensor, positions: tl.tensor, count: tl.tensor, sums: tl.tensor, tokens: tl.tensor, proposed: tl.tensor,
    probability: tl.tensor, second: tl.tensor, entropy: tl.tensor, share: tl.tensor, most: tl.tensor,
    TILES: tl.constexpr, COMPARED: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: merges a position's statistics over all vocabulary tiles; one program per position.

    It reads `sums` and `tokens`, the results of `predict_tile`. It writes `proposed`, `probability`, `second`,
    `entropy` and `share`, the fields of `TokenStatistics`.
    """
    if not begin_kernel(live, PDL):
        return
    column = tl.program_id(0)
    if column >= tl.load(count):
        return
    tile = tl.arange(0, BLOCK)
    valid = tile < TILES
    source = sums + column * TILES + tile
    stride = most * TILES
    score = tl.load(source, mask=valid, other=-float("inf"))
    own = tl.load(source + stride, mask=valid, other=-float("inf"))
    other = tl.load(source + 2 * stride, mask=valid, other=-float("inf"))
    total = tl.load(source + 3 * stride, mask=valid, other=0.0)
    weighted = tl.load(source + 4 * stride, mask=valid, other=0.0)

    _, winner = tl.max(score, axis=0, return_indices=True, return_indices_tie_break_left=True)
    is_winner = tile == winner
    chosen = tl.max(tl.where(is_winner, own, -float("inf")), axis=0)
    runner_up = tl.max(tl.maximum(other, tl.where(is_winner, -float("inf"), own)), axis=0)
    base = tl.maximum(own, other)
    highest = tl.maximum(chosen, runner_up)
    filled = base > -float("inf")
    lift = tl.where(filled, base - highest, 0.0)
    factor = tl.where(filled, tl.exp(lift), 0.0)
    mass = tl.sum(factor * total, axis=0)
    moment = tl.sum(factor * (weighted + lift * total), axis=0)
    position = tl.load(positions + column)
    tl.store(proposed + position, tl.load(tokens + column * TILES + winner))
    tl.store(probability + position, tl.exp(chosen - highest) / mass)
    tl.store(second + position, tl.exp(runner_up - highest) / mass)
    tl.store(entropy + position, tl.log(mass) - moment / mass)
    if COMPARED:
        logit = tl.max(tl.load(source + 5 * stride, mask=valid, other=-float("inf")), axis=0)
        tl.store(share + position, tl.exp(logit - highest))


@dataclass(frozen=True)
class TokenStatistics:
    """The output head's results, [B * L] each: for each position of the blocks, the chosen token and statistics."""

    proposed: Tensor
    """The chosen token, int32; the other fields are float32."""
    probability: Tensor
    """The probability of the chosen token."""
    second: Tensor
    """The highest probability among all other tokens."""
    entropy: Tensor
    """The entropy of the distribution, in nats."""
    share: Tensor | None = None
    """The probability of the token to compare, as a share of the most probable token's."""


@dataclass(frozen=True)
class SamplingNoise:
    """The random numbers for sampling: position p of sequence b uses number `offsets[b] + p` of the seed `seeds[b]`."""

    temperature: float
    seeds: Tensor
    """int64 [B]."""
    offsets: Tensor
    """int32 [B]."""


@dataclass(frozen=True)
class AddedLogits:
    """Logits that `predict_tokens` adds to those it computes, and the ids of their tokens.

    A drafter uses this to add its output head's logits to those of its Markov head. Row `first` + i * `step` of the
    added logits is added to the logits of the i-th entry of `positions`.
    """

    parts: Tensor
    """[splits, N, vocabulary], float32; the logits are the sum over the splits."""
    first: int
    step: int
    token_ids: Tensor
    """[vocabulary], int32: the ids that select the random numbers of the tokens."""


class HeadWorkspace(NamedTuple):
    """Scratch buffers of `predict_tokens`, in which `predict_tile` stores its results for each tile."""

    sums: Tensor
    """float32 [SUMS, max_positions, tiles]."""
    tokens: Tensor
    """The chosen tokens, int32 [max_positions, tiles]."""


def head_tile_shape(max_positions: int) -> tuple[int, int]:
    """Returns the numbers of vocabulary tokens and of positions per output head tile, for up to `max_positions`."""
    return 128, min(64, max(16, triton.next_power_of_2(max_positions)))


def warps_per_tile(tile_positions: int) -> int:
    """Returns how many warps a program of the output head has, for tiles of this many positions.

    Larger tiles need the registers of more warps.
    """
    return 8 if tile_positions > 32 else 4


def allocate_workspace(vocabulary_size: int, max_positions: int, device: torch.device | str) -> HeadWorkspace:
    """Returns new scratch buffers of `predict_tokens` for up to `max_positions`."""
    tiles = ceil_div(vocabulary_size, head_tile_shape(max_positions)[0])
    return HeadWorkspace(
        torch.empty(SUMS, max_positions, tiles, dtype=torch.float32, device=device),
        torch.empty(max_positions, tiles, dtype=torch.int32, device=device),
    )


def predict_tokens(
    states: Tensor, weight: Matrix, rows: Tensor, positions: Tensor, count: Tensor, banned: Tensor,
    workspace: HeadWorkspace, statistics: TokenStatistics, block_length: int, live_count: Tensor,
    noise: SamplingNoise | None = None, compared_tokens: Tensor | None = None, added_logits: AddedLogits | None = None,
) -> None:  # fmt: skip
    """Chooses a token for each of the first `count` [1] entries of `positions`; writes the results to `statistics`.

    `states` [N, hidden] are the normalized hidden states; hidden must be a multiple of 16. The token at positions[i] is
    predicted from states[rows[i]]; `rows` and `positions` are int32. `weight` [vocabulary, hidden] is the output head's
    matrix; `banned`, int32, are tokens with probability zero; `block_length` is the number of positions per block;
    `workspace` comes from `allocate_workspace`. Without `noise` the most probable token is chosen, the first one of
    equally probable ones. `live_count` [1] is the number of sequences that still decode; at 0 nothing is computed.

    `compared_tokens` [N], int32, are the input tokens of a causal pass. If given, `statistics.share` becomes the
    probability of each row's next input token divided by that of the most probable token.
    """
    sums, tokens = workspace
    most = rows.shape[0]
    block_v, block_n = head_tile_shape(most)
    vocabulary, hidden = weight.values.shape
    tiles = ceil_div(vocabulary, block_v)
    unused = live_count
    shared_options = launch_options(live_count)
    predict_tile[(ceil_div(most, block_n), tiles)](
        live_count, states, rows, positions, count, weight.values, unused if weight.scale is None else weight.scale,
        banned, unused if noise is None else noise.seeds, unused if noise is None else noise.offsets,
        unused if compared_tokens is None else compared_tokens, unused if added_logits is None else added_logits.parts,
        unused if added_logits is None else added_logits.token_ids, sums, tokens, vocabulary,
        hidden, block_length, most, 1.0 if noise is None else noise.temperature,
        0 if added_logits is None else added_logits.parts.shape[1], 0 if added_logits is None else added_logits.first,
        0 if added_logits is None else added_logits.step, states.shape[0],
        BANNED=banned.shape[0], SCALED_WEIGHTS=weight.scale is not None, NOISE=noise is not None,
        COMPARED=compared_tokens is not None,
        ADDEND_SPLITS=0 if added_logits is None else added_logits.parts.shape[0], BLOCK_V=block_v, BLOCK_N=block_n,
        STEP=inner_step_size(hidden, weight.scale is not None), UPCAST=INTERPRETED,
        num_warps=warps_per_tile(block_n), num_stages=4, **shared_options,
    )  # fmt: skip
    merge_tiles[(most,)](
        live_count, positions, count, sums, tokens, statistics.proposed, statistics.probability, statistics.second,
        statistics.entropy, unused if statistics.share is None else statistics.share, most,
        TILES=tiles, COMPARED=compared_tokens is not None, BLOCK=triton.next_power_of_2(tiles), num_warps=4,
        **shared_options,
    )  # fmt: skip


def predict_tokens_reference(
    states: Tensor, weight: Matrix, banned: Tensor, noise: Tensor | None = None, compared_tokens: Tensor | None = None,
    added_logits: Tensor | None = None,
) -> TokenStatistics:  # fmt: skip
    """Returns the results of `predict_tokens` for all `states` [N, hidden], computed by PyTorch.

    `noise` [N, vocabulary] is Gumbel noise times the temperature; if given, it is added to the logits. `added_logits`
    [N, vocabulary] are logits to add, and `compared_tokens` [N] the tokens to compare with the predictions.
    """
    logits = states @ weight.dequantized(states.dtype).T
    if added_logits is not None:
        logits = logits + added_logits.to(logits.dtype)
    logits = logits.float()
    logits[:, banned.long()] = -torch.inf
    proposed = (logits if noise is None else logits + noise).argmax(dim=-1)
    log_probabilities = logits.log_softmax(dim=-1)
    second = log_probabilities.scatter(1, proposed[:, None], -torch.inf).amax(dim=-1).exp()
    entropy = torch.special.entr(log_probabilities.exp()).sum(dim=-1)
    share = None
    if compared_tokens is not None:
        share = (logits.gather(1, compared_tokens.long()[:, None])[:, 0] - logits.amax(dim=-1)).exp()
    probability = log_probabilities.gather(1, proposed[:, None])[:, 0].exp()
    return TokenStatistics(proposed.int(), probability, second, entropy, share)


def gumbel_noise_reference(seed: int, offset: int, vocabulary_size: int) -> Tensor:
    """Returns what the kernel function `gumbel_noise` returns for each token of the vocabulary, float32 [vocabulary].

    Source of the generator: Philox 4x32-10 (Salmon et al., SC 2011).
    """
    words = [
        torch.arange(vocabulary_size),
        torch.full((vocabulary_size,), offset),
        *torch.zeros(2, vocabulary_size, dtype=torch.long),
    ]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        low, high = (
            _multiply_to_high_and_low_words(0xD2511F53, words[0]),
            _multiply_to_high_and_low_words(0xCD9E8D57, words[2]),
        )
        words = [high[0] ^ words[1] ^ key[0], high[1], low[0] ^ words[3] ^ key[1], low[1]]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    uniforms = ((words[0].float() + 0.5) * 2.0**-32).clamp(max=1 - 2.0**-24)
    noise: Tensor = -(-torch.log1p(-uniforms.double())).log()
    return noise.float()


def _multiply_to_high_and_low_words(factor: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the high and the low 32 bits of the 64-bit products of `factor` and `words`, unsigned 32-bit integers.

    It splits `words` into halves of 16 bits, because the products would overflow signed 64-bit integers.
    """
    low, high = factor * (words & 0xFFFF), factor * (words >> 16)
    total = low + ((high & 0xFFFF) << 16)
    return (high >> 16) + (total >> 32), total & 0xFFFFFFFF
