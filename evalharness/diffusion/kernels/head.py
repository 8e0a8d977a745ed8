"""Final states times vocabulary, of which only statistics are kept: the logits are never stored.

A program has a tile of the vocabulary as rows of its matrix product and a tile of positions as columns. Of each column
it keeps the chosen token with its logit, the highest of the others, the sum of exponentials and what the entropy needs;
a second, small kernel merges the tiles. Logits are rounded to the states' precision, as the network's own head does.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.fp8 import Matrix
from evalharness.diffusion.kernels.gemm import accumulate, prefetch, step_along
from evalharness.diffusion.kernels.launch import INTERPRETED, divide, enter, options

SUMS = 5
"""Of a tile: the choice's score, its logit, the highest other logit, the sum of exponentials, the weighted sum."""


@triton.jit
def gumbel(seed, draw, token):
    """Standard Gumbel noise from 32 bits of Philox: less the logarithm of an exponentially distributed number.

    The highest noise, which alone lets an unlikely token win, comes of the numbers next to 0, where single precision is
    finest: what is drawn less often than once in 2^32 is all that is missing.
    """
    bits = tl.randint(seed, (draw.to(tl.int64) << 32) + token).to(tl.uint32, bitcast=True)
    share = tl.minimum((bits.to(tl.float32) + 0.5) * 2.3283064365386963e-10, 0.99999994)
    series = share * (1.0 + share * (0.5 + share * (0.33333334 + share * 0.25)))
    return -tl.log(tl.where(share < 0.015625, series, -tl.log(1.0 - share)))


@triton.jit(do_not_specialize=["length", "wanted"])
def vocabulary_tile(
    live, states, rows, places, count, weight, scales, banned, seeds, draws, sums, tokens, vocabulary, hidden,
    length, wanted, temperature,
    BANNED: tl.constexpr, SCALED: tl.constexpr, NOISE: tl.constexpr,
    BLOCK_V: tl.constexpr, BLOCK_N: tl.constexpr, STEP: tl.constexpr, UPCAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """The statistics of `BLOCK_V` tokens for `BLOCK_N` of the wanted rows."""
    tile, tiles = tl.program_id(1), tl.num_programs(1)
    token = tile * BLOCK_V + tl.arange(0, BLOCK_V)
    known = token < vocabulary
    line = tl.minimum(token, vocabulary - 1)
    if PDL:
        prefetch(weight, line, 0, hidden, hidden)
    if not enter(live, PDL):
        return
    number = tl.load(count)
    first_column = tl.program_id(0) * BLOCK_N
    if first_column >= number:
        return
    column = first_column + tl.arange(0, BLOCK_N)
    real = column < number
    # Behind the last column it is repeated.
    row = tl.load(rows + tl.minimum(column, number - 1)).to(tl.int64)
    logits = accumulate(states, weight, line, row, 0, hidden, hidden, BLOCK_V, BLOCK_N, STEP, UPCAST)
    if SCALED:
        logits = logits * tl.load(scales + token, mask=known, other=0.0)[:, None]
    logits = logits.to(states.dtype.element_ty).to(tl.float32)
    allowed = known
    for place in tl.static_range(BANNED):
        allowed = allowed & (token != tl.load(banned + place))
    logits = tl.where(allowed[:, None], logits, -float("inf"))
    scores = logits
    if NOISE:
        place = tl.load(places + column, mask=real, other=0)
        seed = tl.load(seeds + place // length)
        draw = tl.load(draws + place // length) + place % length
        scores = logits + temperature * gumbel(seed[None, :], draw[None, :], token[:, None])

    score, chosen = tl.max(scores, axis=0, return_indices=True, return_indices_tie_break_left=True)
    mine = tl.arange(0, BLOCK_V)[:, None] == chosen[None, :]
    own = tl.max(tl.where(mine, logits, -float("inf")), axis=0)
    other = tl.max(tl.where(mine, -float("inf"), logits), axis=0)
    # A tile may hold nothing but banned tokens.
    base = tl.maximum(own, other)
    lower = logits - tl.where(base == -float("inf"), 0.0, base)[None, :]
    weights = tl.exp(lower)
    target = column * tiles + tile
    stride = wanted * tiles
    tl.store(sums + target, score, mask=real)
    tl.store(sums + stride + target, own, mask=real)
    tl.store(sums + 2 * stride + target, other, mask=real)
    tl.store(sums + 3 * stride + target, tl.sum(weights, axis=0), mask=real)
    tl.store(sums + 4 * stride + target, tl.sum(tl.where(weights > 0, weights * lower, 0.0), axis=0), mask=real)
    tl.store(tokens + target, tile * BLOCK_V + chosen, mask=real)


@triton.jit(do_not_specialize=["wanted"])
def merge_tiles(
    live, places, count, sums, tokens, top, probability, second, entropy, wanted,
    TILES: tl.constexpr, BLOCK: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """The statistics of one row over the whole vocabulary."""
    if not enter(live, PDL):
        return
    column = tl.program_id(0)
    if column >= tl.load(count):
        return
    tile = tl.arange(0, BLOCK)
    real = tile < TILES
    at = sums + column * TILES + tile
    stride = wanted * TILES
    score = tl.load(at, mask=real, other=-float("inf"))
    own = tl.load(at + stride, mask=real, other=-float("inf"))
    other = tl.load(at + 2 * stride, mask=real, other=-float("inf"))
    total = tl.load(at + 3 * stride, mask=real, other=0.0)
    weighted = tl.load(at + 4 * stride, mask=real, other=0.0)

    _, winner = tl.max(score, axis=0, return_indices=True, return_indices_tie_break_left=True)
    won = tile == winner
    chosen = tl.max(tl.where(won, own, -float("inf")), axis=0)
    runner_up = tl.max(tl.maximum(other, tl.where(won, -float("inf"), own)), axis=0)
    base = tl.maximum(own, other)
    highest = tl.maximum(chosen, runner_up)
    filled = base > -float("inf")
    lift = tl.where(filled, base - highest, 0.0)
    factor = tl.where(filled, tl.exp(lift), 0.0)
    mass = tl.sum(factor * total, axis=0)
    moment = tl.sum(factor * (weighted + lift * total), axis=0)
    place = tl.load(places + column)
    tl.store(top + place, tl.load(tokens + column * TILES + winner))
    tl.store(probability + place, tl.exp(chosen - highest) / mass)
    tl.store(second + place, tl.exp(runner_up - highest) / mass)
    tl.store(entropy + place, tl.log(mass) - moment / mass)


@dataclass(frozen=True)
class Statistics:
    """Of each position of the blocks [B * L]: the choice, its probability, the runner-up's, and the entropy in nats."""

    top: Tensor
    """int32; all others float32."""
    probability: Tensor
    second: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class Noise:
    """How tokens are drawn: for position p of sequence b at `temperature`, by number `draws[b] + p` of `seeds[b]`."""

    temperature: float
    seeds: Tensor
    """int64 [B]."""
    draws: Tensor
    """int32 [B]."""


def tile_shape(wanted: int) -> tuple[int, int]:
    """(tokens, positions) of a tile for that many positions at most."""
    return 128, min(64, max(16, triton.next_power_of_2(wanted)))


def warps(block_n: int) -> int:
    """Warps of a program: the statistics of more positions take more registers."""
    return 8 if block_n > 32 else 4


def workspace(vocabulary: int, wanted: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """What `look` needs for `wanted` positions at most: float32 [SUMS, wanted, tiles] and int32 [wanted, tiles]."""
    tiles = divide(vocabulary, tile_shape(wanted)[0])
    return (
        torch.empty(SUMS, wanted, tiles, dtype=torch.float32, device=device),
        torch.empty(wanted, tiles, dtype=torch.int32, device=device),
    )


def look(
    states: Tensor, weight: Matrix, rows: Tensor, places: Tensor, count: Tensor, banned: Tensor,
    space: tuple[Tensor, Tensor], found: Statistics, length: int, live: Tensor, noise: Noise | None = None,
) -> None:  # fmt: skip
    """Writes to `found` what the network says at the first `count` [1] of `places`, read from the states at `rows`.

    `states` [N, hidden] are normalised, hidden a multiple of 16; `weight` is [vocabulary, hidden]; `rows` and `places`
    are int32 [most]; `banned`, int32, are tokens that are never chosen and weigh nothing; blocks have `length` places.
    Without `noise` the likeliest token is chosen, of equally likely ones the first.
    """
    sums, tokens = space
    most = rows.shape[0]
    block_v, block_n = tile_shape(most)
    vocabulary, hidden = weight.values.shape
    tiles = divide(vocabulary, block_v)
    none = live
    more = options(live)
    vocabulary_tile[(divide(most, block_n), tiles)](
        live, states, rows, places, count, weight.values, none if weight.scale is None else weight.scale, banned,
        none if noise is None else noise.seeds, none if noise is None else noise.draws, sums, tokens, vocabulary,
        hidden, length, most, 1.0 if noise is None else noise.temperature,
        BANNED=banned.shape[0], SCALED=weight.scale is not None, NOISE=noise is not None, BLOCK_V=block_v,
        BLOCK_N=block_n, STEP=step_along(hidden, weight.scale is not None), UPCAST=INTERPRETED,
        num_warps=warps(block_n), num_stages=4, **more,
    )  # fmt: skip
    merge_tiles[(most,)](
        live, places, count, sums, tokens, found.top, found.probability, found.second, found.entropy, most,
        TILES=tiles, BLOCK=triton.next_power_of_2(tiles), num_warps=4, **more,
    )  # fmt: skip


def look_reference(states: Tensor, weight: Matrix, banned: Tensor, noise: Tensor | None = None) -> Statistics:
    """What `look` finds for all of `states` [N, hidden], from the logits; `noise` [N, vocabulary] is added if given.

    It is in units of logits: Gumbel noise times the temperature.
    """
    logits = (states @ weight.dense(states.dtype).T).float()
    logits[:, banned.long()] = -torch.inf
    top = (logits if noise is None else logits + noise).argmax(dim=-1)
    logs = logits.log_softmax(dim=-1)
    second = logs.scatter(1, top[:, None], -torch.inf).amax(dim=-1).exp()
    entropy = torch.special.entr(logs.exp()).sum(dim=-1)
    return Statistics(top.int(), logs.gather(1, top[:, None])[:, 0].exp(), second, entropy)


def gumbel_reference(seed: int, draw: int, vocabulary: int) -> Tensor:
    """The noise of `gumbel` for each token. Source of the generator: Philox 4x32-10 (Salmon et al., SC 2011)."""
    words = [torch.arange(vocabulary), torch.full((vocabulary,), draw), *torch.zeros(2, vocabulary, dtype=torch.long)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        low, high = _multiply(0xD2511F53, words[0]), _multiply(0xCD9E8D57, words[2])
        words = [high[0] ^ words[1] ^ key[0], high[1], low[0] ^ words[3] ^ key[1], low[1]]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    uniform = ((words[0].float() + 0.5) * 2.0**-32).clamp(max=1 - 2.0**-24)
    noise: Tensor = -(-torch.log1p(-uniform.double())).log()
    return noise.float()


def _multiply(factor: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """(high, low) 32 bits of the product; the words are split, for their product with `factor` takes 64 bits."""
    low, high = factor * (words & 0xFFFF), factor * (words >> 16)
    total = low + ((high & 0xFFFF) << 16)
    return (high >> 16) + (total >> 32), total & 0xFFFFFFFF
