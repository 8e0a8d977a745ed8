"""What a pass fixes, decided on the device: the rules of `rules` over the head's statistics, a program a sequence.

The twin of this is `decoding.choose_positions` with `BlockState.commit`, bit for bit: scores are
compared, never recomputed, and among equal scores the first position wins.
"""

from dataclasses import dataclass
from functools import partial

import triton
import triton.language as tl

from evalharness.diffusion.denoising import Denoising
from evalharness.diffusion.kernels.head import Statistics
from evalharness.diffusion.kernels.launch import enter, options
from evalharness.diffusion.kernels.plan import State
from evalharness.diffusion.rules import Rule, even_schedule, linear_schedule

SCHEDULES = {
    "confidence": even_schedule,
    "static": even_schedule,
    "dynamic": even_schedule,
    "margin": linear_schedule,
    "entropy": linear_schedule,
}
RULES = ("threshold", "factor", "entropy-bounded", *SCHEDULES)


@dataclass(frozen=True)
class Policy:
    """A rule as the kernel takes it. `level` is its confidence or bound; `steps` and `length` are its schedule's."""

    rule: str
    level: float = 0.0
    steps: int = 0
    length: int = 0
    sub_block: int = 0
    seeded: bool = False

    def counts(self, masks: int) -> tuple[int, ...]:
        """How many masks the rule fixes in each pass over a block that began with `masks`; () without a schedule."""
        schedule = SCHEDULES.get(self.rule)
        return schedule(self.length or masks, self.steps) if schedule and masks else ()


def policy(how: Denoising) -> Policy:
    """The policy of a rule that `find_rule` made, one of RULES."""
    rule: Rule = how.rule
    assert isinstance(rule.choose, partial)
    given = rule.choose.keywords
    level = given.get("threshold", given.get("bound", 0.0))
    return Policy(rule.name, level, given.get("steps", 0), given.get("length", 0), how.sub_block, how.seeded)


@triton.jit
def ranks(masked, score, BLOCK_L: tl.constexpr):
    """How many masks come before each place [L] by descending score, of equal scores the first place first."""
    place = tl.arange(0, BLOCK_L)
    score = tl.where(masked, score, -float("inf"))
    rank = tl.zeros([BLOCK_L], tl.int32)
    # All pairs of a long block are too many to be held at once: some places at a time are picked out of the column.
    PART: tl.constexpr = BLOCK_L if BLOCK_L <= 128 else 16
    for first in range(0, BLOCK_L, PART):
        if PART == BLOCK_L:
            other, mask, number = tl.reshape(score, [1, PART]), tl.reshape(masked, [1, PART]), place[None, :]
        else:
            number = first + tl.arange(0, PART)[None, :]
            picked = place[:, None] == number
            other = tl.max(tl.where(picked, score[:, None], -float("inf")), axis=0)[None, :]
            mask = tl.max((picked & masked[:, None]).to(tl.int32), axis=0)[None, :] > 0
        before = (other > score[:, None]) | ((other == score[:, None]) & (number < place[:, None]))
        rank += tl.sum((before & mask).to(tl.int32), axis=1)
    return rank


@triton.jit
def choose(masked, probability, second, entropy, count, level, RULE: tl.constexpr, BLOCK_L: tl.constexpr):
    """Which masks [L] the rule fixes; `count` is its schedule's."""
    score = probability
    if RULE == "margin":
        score = probability - second
    if (RULE == "entropy") or (RULE == "entropy-bounded"):
        score = -entropy
    rank = ranks(masked, score, BLOCK_L)
    chosen = rank < count
    if RULE == "threshold":
        chosen = (probability >= level) | (rank == 0)
    if RULE == "factor":
        # One less a probability is exact here; times a rank it is rounded once, as in the rule.
        within = masked & ((1.0 - probability) * (rank + 2).to(tl.float32) <= level)
        chosen = rank < tl.maximum(tl.sum(within.to(tl.int32), axis=0), 1)
    if RULE == "entropy-bounded":
        # Added up one by one in double precision, as PyTorch's cumulative sum does on a CPU.
        total = tl.sum(tl.zeros([BLOCK_L], tl.float64), axis=0)
        fixed = 0
        for number in range(BLOCK_L):
            this = masked & (rank == number)
            total += tl.sum(tl.where(this, entropy, 0.0), axis=0).to(tl.float64)
            here = tl.sum(this.to(tl.int32), axis=0)
            fixed += tl.where(total.to(tl.float32) <= level, here, 0)
        chosen = rank < tl.maximum(fixed, 1)
    if RULE == "dynamic":
        sure = masked & (probability > level)
        enough = tl.sum(sure.to(tl.int32), axis=0) >= count
        chosen = (enough & sure) | (~enough & (rank < count))
    return chosen & masked


@triton.jit
def finish(sequence, over, done, live):
    """Notes that a sequence waits for the host, if it does."""
    if over:
        tl.store(done + sequence, 1)
        tl.atomic_add(live, -1)


@triton.jit
def commit_block(
    live, done, tokens, masked, length, given, counts, last, context, ahead, cached, step, fixed, sure, draws, ends,
    top, probability, second, entropy, level,
    L: tl.constexpr, C: tl.constexpr, S: tl.constexpr, E: tl.constexpr, RULE: tl.constexpr, SUB: tl.constexpr,
    SEEDED: tl.constexpr, SHIFT: tl.constexpr, WHOLE: tl.constexpr, BLOCK_L: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """One sequence's block after a pass: what is fixed, whether that ends it, and what the cache holds now."""
    if not enter(live, PDL):
        return
    sequence = tl.program_id(0)
    if tl.load(done + sequence) != 0:
        return
    place = tl.arange(0, BLOCK_L)
    own, now = tl.load(length + sequence), tl.load(step + sequence)
    at, real = sequence * L + place, place < own
    hidden = real & (tl.load(masked + at, mask=real, other=0) != 0)
    likely = tl.load(probability + at, mask=hidden, other=0.0)
    runner_up = tl.load(second + at, mask=hidden, other=0.0)
    doubt = tl.load(entropy + at, mask=hidden, other=0.0)

    open_ = hidden
    if SUB > 0:
        part = place // SUB
        open_ = hidden & (part == tl.min(tl.where(hidden, part, BLOCK_L), axis=0))
    count = tl.load(counts + sequence * S + now, mask=now < S, other=1)
    chosen = choose(open_, likely, runner_up, doubt, count, level, RULE, BLOCK_L)
    if SEEDED:
        seed = (now == 0) & (tl.sum((open_ & (place == 0)).to(tl.int32), axis=0) > 0)
        chosen = (seed & (place == 0)) | (~seed & chosen)
    token = tl.load(top + at, mask=chosen, other=0)
    tl.store(tokens + at, token, mask=chosen)
    tl.store(masked + at, tl.zeros([BLOCK_L], tl.int32), mask=chosen)
    tl.store(fixed + at, tl.zeros([BLOCK_L], tl.int32) + now, mask=chosen)
    tl.store(sure + at, likely, mask=chosen)
    tl.store(step + sequence, now + 1)
    tl.store(draws + sequence, tl.load(draws + sequence) + L)

    if not WHOLE:
        # The next pass has the text in the cache, but for its last token where that one is read for the first mask.
        before = tl.load(ahead + sequence)
        kept = tl.minimum(before, SHIFT)
        if kept > 0:
            tl.store(context + sequence * C, tl.load(context + sequence * C + before - 1))
        tl.store(ahead + sequence, kept)
        tl.store(cached + sequence, tl.load(cached + sequence) + before - kept)

    hidden = hidden & ~chosen
    prefix = tl.min(tl.where(hidden, place, own), axis=0)
    token = tl.where(chosen, token, tl.load(tokens + at, mask=real, other=0))
    final = (place >= tl.load(given + sequence)) & (place < prefix)
    over = (prefix == own) | (prefix >= tl.load(last + sequence))
    for number in tl.static_range(E):
        ended = final & (token == tl.load(ends + number))
        over = over | (tl.sum(ended.to(tl.int32), axis=0) > 0)
    finish(sequence, over, done, live)


@triton.jit
def append_token(
    live, done, tokens, last, context, ahead, cached, step, sure, draws, ends, top, probability,
    L: tl.constexpr, C: tl.constexpr, E: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """One sequence's next token: it is all that the next pass computes."""
    if not enter(live, PDL):
        return
    sequence = tl.program_id(0)
    if tl.load(done + sequence) != 0:
        return
    now, before = tl.load(step + sequence), tl.load(ahead + sequence)
    token = tl.load(top + sequence)
    tl.store(tokens + sequence * L + now, token)
    tl.store(sure + sequence * L + now, tl.load(probability + sequence))
    tl.store(context + sequence * C, token)
    tl.store(cached + sequence, tl.load(cached + sequence) + before)
    tl.store(ahead + sequence, 1)
    tl.store(step + sequence, now + 1)
    tl.store(draws + sequence, tl.load(draws + sequence) + 1)
    over = (now + 1 >= L) | (now + 1 >= tl.load(last + sequence))
    for number in tl.static_range(E):
        over = over | (token == tl.load(ends + number))
    finish(sequence, over, done, live)


def commit(state: State, found: Statistics, policy: Policy, shift: bool, whole: bool = False) -> None:
    """Fixes in each block what the policy says of the statistics `found`; blocks that are finished or end are done.

    The text is taken as cached from then on, unless each pass computes the `whole` sequence.
    """
    sequences, length = state.tokens.shape
    block = triton.next_power_of_2(length)
    commit_block[(sequences,)](
        state.live, state.done, state.tokens, state.masked, state.length, state.given, state.counts, state.last,
        state.context, state.ahead, state.cached, state.step, state.fixed, state.sure,
        state.draws, state.ends,
        found.top, found.probability, found.second, found.entropy, policy.level,
        L=length, C=state.context.shape[1], S=state.counts.shape[1], E=state.ends.shape[0], RULE=policy.rule,
        SUB=policy.sub_block, SEEDED=policy.seeded, SHIFT=int(shift),
        WHOLE=whole, BLOCK_L=block,
        num_warps=max(1, block * block // 1024 if block <= 128 else block // 64), **options(state.live),
    )  # fmt: skip


def append(state: State, found: Statistics) -> None:
    """Writes each sequence's next token, `found` [B], behind those since the host last wrote.

    Sequences that end with it, or have L such tokens, are done.
    """
    sequences, length = state.tokens.shape
    append_token[(sequences,)](
        state.live, state.done, state.tokens, state.last, state.context, state.ahead, state.cached, state.step,
        state.sure, state.draws, state.ends, found.top, found.probability,
        L=length, C=state.context.shape[1], E=state.ends.shape[0], num_warps=1, **options(state.live),
    )  # fmt: skip
