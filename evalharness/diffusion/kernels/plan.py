"""What a pass computes, laid out by the device itself: the rows of each sequence's piece, and which are looked at."""

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from evalharness.diffusion.kernels.launch import enter, options


@dataclass(frozen=True)
class State:
    """What is being generated of B sequences: blocks of up to L tokens, or the next L tokens one after the other.

    int32 where nothing else is said, written by the host between blocks alone. A pass computes, per sequence, the
    `ahead` tokens of `context`, whose first has position `cached`, behind them the block, and behind that the `behind`
    tokens of `tail`, which only a network that sees them has.
    """

    flat: Tensor
    """All of the following, one after the other: host and device exchange them in one copy."""
    tokens: Tensor
    """[B, L]."""
    masked: Tensor
    """[B, L]: 1 for a mask."""
    length: Tensor
    """[B]: tokens of the block, 0 where tokens are generated one by one."""
    given: Tensor
    """[B]: tokens at the block's start that belong to the prompt."""
    counts: Tensor
    """[B, S]: how many masks the schedule fixes in each pass; behind its end one."""
    last: Tensor
    """[B]: of so many first tokens of the block the sequence ends; more than L where it does not."""
    context: Tensor
    """[B, C]."""
    ahead: Tensor
    """[B]."""
    cached: Tensor
    """[B]."""
    tail: Tensor
    """[B, A]."""
    behind: Tensor
    """[B]."""
    step: Tensor
    """[B]: passes since the host last wrote."""
    fixed: Tensor
    """[B, L]: the step at which each was fixed."""
    sure: Tensor
    """[B, L], float32: its probability then."""
    seeds: Tensor
    """[B], int64: what a sequence's draws come from."""
    draws: Tensor
    """[B]: the number of the next pass's first draw; its places have the following ones."""
    done: Tensor
    """[B]: 1 for a sequence that waits for the host."""
    live: Tensor
    """[1]: how many do not."""
    ends: Tensor
    """[E]: tokens that end a sequence."""


def new_state(
    sequences: int, length: int, context: int, steps: int, ends: int, device: torch.device | str, tail: int = 0
) -> State:
    """A state with room for so much, in which all sequences are done."""
    one, block = (sequences,), (sequences, length)
    shapes = {
        "tokens": block, "masked": block, "length": one, "given": one, "counts": (sequences, steps), "last": one,
        "context": (sequences, context), "ahead": one, "cached": one, "tail": (sequences, tail), "behind": one,
        "step": one, "fixed": block, "sure": block,
        "seeds": (sequences, 2), "draws": one, "done": one, "live": (1,), "ends": (ends,),
    }  # fmt: skip
    # Each begins at a multiple of 16 bytes, as the compiler likes pointers to.
    sizes = [-(-math.prod(shape) // 4) * 4 for shape in shapes.values()]
    flat = torch.zeros(sum(sizes), dtype=torch.int32, device=device)
    parts = zip(shapes.items(), flat.split(sizes), strict=True)
    views = {name: part[: math.prod(shape)].view(shape) for (name, shape), part in parts}
    views["sure"] = views["sure"].view(torch.float32)
    views["seeds"] = views["seeds"].view(torch.int64)[:, 0]
    views["done"].fill_(1)
    views["ends"].fill_(-1)
    return State(flat, **views)


@dataclass(frozen=True)
class Pieces:
    """The rows of a pass, T per sequence, and which of them the head looks at, int32 all."""

    tokens: Tensor
    """[N]; those of rows that mean nothing are 0."""
    positions: Tensor
    """[N]; -1 for those."""
    limits: Tensor
    """[N]: the last position that each sees; -1 for those."""
    rows: Tensor
    """[B * L], or [B]: where the states are that are looked at."""
    places: Tensor
    """The place in the blocks that each speaks of; the sequence where it is the next token that is looked for."""
    count: Tensor
    """[1]: how many there are."""


def new_pieces(sequences: int, size: int, places: int, device: torch.device | str) -> Pieces:
    """Room for pieces of `size` tokens of which `places` are looked at."""
    tokens, positions, limits = torch.zeros(3, sequences * size, dtype=torch.int32, device=device)
    rows, found = torch.zeros(2, sequences * places, dtype=torch.int32, device=device)
    return Pieces(tokens, positions, limits, rows, found, torch.zeros(1, dtype=torch.int32, device=device))


@triton.jit(do_not_specialize=["size", "sequences"])
def lay_out_pieces(
    live, done, block_tokens, masked, length, context, ahead, cached, tail, behind, tokens, positions,
    limits, rows, places, count, size, sequences,
    L: tl.constexpr, C: tl.constexpr, A: tl.constexpr, BLOCK: tl.constexpr, SHIFT: tl.constexpr,
    NEXT: tl.constexpr, WHOLE: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_L: tl.constexpr,
    BLOCK_ALL: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """The piece of one sequence, and its part of the list of rows that are looked at."""
    if not enter(live, PDL):
        return
    sequence = tl.program_id(0)
    idle = tl.load(done + sequence) != 0
    before, start, own = tl.load(ahead + sequence), tl.load(cached + sequence), tl.load(length + sequence)
    end = start + before

    t = tl.arange(0, BLOCK_T)
    text = (t < before) & ~idle
    block = (t >= before) & (t < before + own) & ~idle
    token = tl.load(context + sequence * C + t, mask=text, other=0)
    token += tl.load(block_tokens + sequence * L + t - before, mask=block, other=0)
    position = start + t
    limit = position
    if BLOCK > 0:
        limit = tl.minimum(end, (position // BLOCK + 1) * BLOCK) - 1
    limit = tl.where(text, limit, tl.where(block, end + own - 1, -1))
    there = text | block
    if WHOLE:
        after = tl.load(behind + sequence)
        rest = (t >= before + own) & (t < before + own + after) & ~idle
        token += tl.load(tail + sequence * A + t - before - own, mask=rest, other=0)
        there = there | rest
        limit = tl.where(there, end + own + after - 1, -1)
    at = sequence * size + t
    tl.store(tokens + at, token, mask=t < size)
    tl.store(positions + at, tl.where(there, position, -1), mask=t < size)
    tl.store(limits + at, limit, mask=t < size)

    everything = tl.arange(0, BLOCK_ALL)
    earlier = everything < sequence * L
    place = tl.arange(0, BLOCK_L)
    if NEXT:
        others = earlier & (everything % L == 0)
        mine = place == 0
        row = before - 1 + place
    else:
        others = earlier & (tl.load(masked + everything, mask=earlier, other=0) != 0)
        mine = (place < L) & (tl.load(masked + sequence * L + place, mask=place < L, other=0) != 0)
        row = tl.maximum(before + place - SHIFT, 0)
    others = others & (tl.load(done + everything // L, mask=earlier, other=1) == 0)
    mine = mine & ~idle
    counted = mine.to(tl.int32)
    target = tl.sum(others.to(tl.int32), axis=0) + tl.cumsum(counted, axis=0) - counted
    tl.store(rows + target, sequence * size + row, mask=mine)
    PLACES: tl.constexpr = 1 if NEXT else L
    tl.store(places + target, sequence * PLACES + place, mask=mine)
    if sequence == sequences - 1:
        tl.store(count, tl.sum(others.to(tl.int32), axis=0) + tl.sum(counted, axis=0))


def lay_out(state: State, pieces: Pieces, *, block: int, shift: bool, following: bool, whole: bool = False) -> None:
    """Writes the pieces of the next pass; positions of one sequence that is done are all -1.

    `block` is positive where a text's tokens see their own block of that length, 0 where they see what is before them.
    `shift` as in the network's configuration. `following`: it is asked what follows the piece, not what is in it.
    `whole`: all tokens see all others of their sequence, those behind the block included.
    """
    sequences, length = state.tokens.shape
    size, everything = pieces.tokens.shape[0] // sequences, triton.next_power_of_2(sequences * length)
    lay_out_pieces[(sequences,)](
        state.live, state.done, state.tokens, state.masked, state.length, state.context, state.ahead, state.cached,
        state.tail, state.behind, pieces.tokens, pieces.positions, pieces.limits, pieces.rows, pieces.places,
        pieces.count, size, sequences,
        L=length, C=state.context.shape[1], A=state.tail.shape[1], BLOCK=block, SHIFT=int(shift), NEXT=following,
        WHOLE=whole, BLOCK_T=triton.next_power_of_2(size), BLOCK_L=triton.next_power_of_2(length),
        BLOCK_ALL=everything, num_warps=max(4, min(16, everything // 1024)), **options(state.live),
    )  # fmt: skip
