"""Kernel that commits tokens after a forward pass by the decoding rules of `rules`, one program per sequence.

The results equal those of `decoding.choose_positions_to_commit` and `BlockState.commit_and_check_finished` bit for bit:
scores are compared, never recomputed, and among equal scores the first position wins.
"""

from dataclasses import dataclass
from functools import partial

import triton
import triton.language as tl

from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.kernels.head import TokenStatistics
from evalharness.diffusion.kernels.launch import begin_kernel, launch_options
from evalharness.diffusion.kernels.layout import DecodingState
from evalharness.diffusion.rules import Rule, make_even_schedule, make_linear_schedule

SCHEDULES = {
    "confidence": make_even_schedule,
    "static": make_even_schedule,
    "dynamic": make_even_schedule,
    "margin": make_linear_schedule,
    "entropy": make_linear_schedule,
}
RULES = ("threshold", "factor", "entropy-bounded", *SCHEDULES)


@dataclass(frozen=True)
class CommitPolicy:
    """A decoding rule and its settings, in the form that the kernels take: it decides which masks a pass commits."""

    rule: str
    threshold: float = 0.0
    """The rule's threshold or bound."""
    steps: int = 0
    length: int = 0
    """Masks for which the rule's schedule of `steps` steps is made."""
    sub_block: int = 0
    first_token_alone: bool = False

    def commits_per_pass(self, mask_count: int) -> tuple[int, ...]:
        """Returns how many masks each forward pass over a block commits, if the block begins with `mask_count` masks.

        Rules without a schedule return an empty tuple.
        """
        schedule = SCHEDULES.get(self.rule)
        return schedule(self.length or mask_count, self.steps) if schedule and mask_count else ()


def make_commit_policy(denoising: DenoisingSettings) -> CommitPolicy:
    """Returns the decoding rule of `denoising` in the form that the kernels take; the rule must be one of `RULES`."""
    rule: Rule = denoising.rule
    assert isinstance(rule.choose, partial)
    settings = rule.choose.keywords
    threshold = settings.get("threshold", settings.get("bound", 0.0))
    return CommitPolicy(
        rule.name,
        threshold,
        settings.get("steps", 0),
        settings.get("schedule_length", 0),
        denoising.sub_block,
        denoising.first_token_alone,
    )


@triton.jit
def rank_masks(masked: tl.tensor, score: tl.tensor, BLOCK_L: tl.constexpr) -> tl.tensor:
    """Kernel function: returns each mask's rank by descending score, from 0, [L].

    Among equal scores, the first position has the lowest rank.
    """
    position = tl.arange(0, BLOCK_L)
    score = tl.where(masked, score, -float("inf"))
    rank = tl.zeros([BLOCK_L], tl.int32)
    # All pairs of positions of a long block do not fit into registers, so columns are processed in parts.
    PART: tl.constexpr = BLOCK_L if BLOCK_L <= 128 else 16
    for first in range(0, BLOCK_L, PART):
        if PART == BLOCK_L:
            other, mask, number = tl.reshape(score, [1, PART]), tl.reshape(masked, [1, PART]), position[None, :]
        else:
            number = first + tl.arange(0, PART)[None, :]
            picked = position[:, None] == number
            other = tl.max(tl.where(picked, score[:, None], -float("inf")), axis=0)[None, :]
            mask = tl.max((picked & masked[:, None]).to(tl.int32), axis=0)[None, :] > 0
        before = (other > score[:, None]) | ((other == score[:, None]) & (number < position[:, None]))
        rank += tl.sum((before & mask).to(tl.int32), axis=1)
    return rank


@triton.jit
def choose_masks(
    masked: tl.tensor, probability: tl.tensor, second: tl.tensor, entropy: tl.tensor, count: tl.tensor,
    threshold: tl.tensor, RULE: tl.constexpr, BLOCK_L: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """Kernel function: returns which masks of a block the decoding rule `RULE` commits, bool [L].

    `count` is the number of masks that the rule's schedule commits in this pass.
    """
    score = probability
    if RULE == "margin":
        score = probability - second
    if (RULE == "entropy") or (RULE == "entropy-bounded"):
        score = -entropy
    rank = rank_masks(masked, score, BLOCK_L)
    chosen = rank < count
    if RULE == "threshold":
        chosen = (probability >= threshold) | (rank == 0)
    if RULE == "factor":
        # 1 - probability is exact here, and the product with a rank is rounded once, as in the rule.
        within = masked & ((1.0 - probability) * (rank + 2).to(tl.float32) <= threshold)
        chosen = rank < tl.maximum(tl.sum(within.to(tl.int32), axis=0), 1)
    if RULE == "entropy-bounded":
        # Adds up in sequence in double precision, as PyTorch's cumulative sum does on a CPU.
        total = tl.sum(tl.zeros([BLOCK_L], tl.float64), axis=0)
        committed = 0
        for number in range(BLOCK_L):
            this = masked & (rank == number)
            total += tl.sum(tl.where(this, entropy, 0.0), axis=0).to(tl.float64)
            here = tl.sum(this.to(tl.int32), axis=0)
            committed += tl.where(total.to(tl.float32) <= threshold, here, 0)
        chosen = rank < tl.maximum(committed, 1)
    if RULE == "dynamic":
        confident = masked & (probability > threshold)
        enough = tl.sum(confident.to(tl.int32), axis=0) >= count
        chosen = (enough & confident) | (~enough & (rank < count))
    return chosen & masked


@triton.jit
def mark_done(sequence: tl.tensor, has_ended: tl.tensor, done: tl.tensor, live: tl.tensor) -> None:
    """Kernel function: if `has_ended`, marks a sequence as done and decrements the number of `live` sequences."""
    if has_ended:
        tl.store(done + sequence, 1)
        tl.atomic_add(live, -1)


@triton.jit
def commit_block(
    live: tl.tensor, done: tl.tensor, tokens: tl.tensor, masked: tl.tensor, length: tl.tensor, prompt_tokens: tl.tensor,
    counts: tl.tensor, limit: tl.tensor, context: tl.tensor, context_length: tl.tensor, cached: tl.tensor,
    step: tl.tensor, committed_at: tl.tensor, confidence: tl.tensor, offsets: tl.tensor, end_tokens: tl.tensor,
    proposed: tl.tensor, probability: tl.tensor, second: tl.tensor, entropy: tl.tensor, threshold: tl.tensor,
    L: tl.constexpr, C: tl.constexpr, S: tl.constexpr, E: tl.constexpr, RULE: tl.constexpr, SUB: tl.constexpr,
    FIRST_ALONE: tl.constexpr, SHIFT: tl.constexpr, WHOLE: tl.constexpr, BLOCK_L: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: commits, in each sequence's block, the tokens that the decoding rule chooses; one program per sequence.

    `proposed`, `probability`, `second` and `entropy` are the output head's results for the blocks. The tensors from
    `live` to `end_tokens` are fields of `DecodingState`; of these, `length`, `prompt_tokens`, `counts`, `limit` and
    `end_tokens` are only read, and the others are updated.
    """
    if not begin_kernel(live, PDL):
        return
    sequence = tl.program_id(0)
    if tl.load(done + sequence) != 0:
        return
    position = tl.arange(0, BLOCK_L)
    block_length, now = tl.load(length + sequence), tl.load(step + sequence)
    source, valid = sequence * L + position, position < block_length
    is_mask = valid & (tl.load(masked + source, mask=valid, other=0) != 0)
    mask_probability = tl.load(probability + source, mask=is_mask, other=0.0)
    mask_second = tl.load(second + source, mask=is_mask, other=0.0)
    mask_entropy = tl.load(entropy + source, mask=is_mask, other=0.0)

    candidates = is_mask
    if SUB > 0:
        sub_block = position // SUB
        candidates = is_mask & (sub_block == tl.min(tl.where(is_mask, sub_block, BLOCK_L), axis=0))
    count = tl.load(counts + sequence * S + now, mask=now < S, other=1)
    chosen = choose_masks(candidates, mask_probability, mask_second, mask_entropy, count, threshold, RULE, BLOCK_L)
    if FIRST_ALONE:
        first_pass = (now == 0) & (tl.sum((candidates & (position == 0)).to(tl.int32), axis=0) > 0)
        chosen = (first_pass & (position == 0)) | (~first_pass & chosen)
    token = tl.load(proposed + source, mask=chosen, other=0)
    tl.store(tokens + source, token, mask=chosen)
    tl.store(masked + source, tl.zeros([BLOCK_L], tl.int32), mask=chosen)
    tl.store(committed_at + source, tl.zeros([BLOCK_L], tl.int32) + now, mask=chosen)
    tl.store(confidence + source, mask_probability, mask=chosen)
    tl.store(step + sequence, now + 1)
    tl.store(offsets + sequence, tl.load(offsets + sequence) + L)

    if not WHOLE:
        # The next pass finds the context in the cache, except for its last token if that predicts the first mask.
        available = tl.load(context_length + sequence)
        kept = tl.minimum(available, SHIFT)
        if kept > 0:
            tl.store(context + sequence * C, tl.load(context + sequence * C + available - 1))
        tl.store(context_length + sequence, kept)
        tl.store(cached + sequence, tl.load(cached + sequence) + available - kept)

    is_mask = is_mask & ~chosen
    prefix = tl.min(tl.where(is_mask, position, block_length), axis=0)
    token = tl.where(chosen, token, tl.load(tokens + source, mask=valid, other=0))
    final = (position >= tl.load(prompt_tokens + sequence)) & (position < prefix)
    has_ended = (prefix == block_length) | (prefix >= tl.load(limit + sequence))
    for number in tl.static_range(E):
        ended = final & (token == tl.load(end_tokens + number))
        has_ended = has_ended | (tl.sum(ended.to(tl.int32), axis=0) > 0)
    mark_done(sequence, has_ended, done, live)


@triton.jit
def append_token(
    live: tl.tensor, done: tl.tensor, tokens: tl.tensor, limit: tl.tensor, context: tl.tensor,
    context_length: tl.tensor, cached: tl.tensor, step: tl.tensor, confidence: tl.tensor, offsets: tl.tensor,
    end_tokens: tl.tensor, proposed: tl.tensor, probability: tl.tensor, L: tl.constexpr, C: tl.constexpr,
    E: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: appends the next token to each sequence (autoregressive decoding); one program per sequence.

    `proposed` and `probability` are the output head's results: the next tokens and their probabilities. The tensors
    from `live` to `end_tokens` are fields of `DecodingState`; of these, `limit` and `end_tokens` are only read, and the
    others are updated.
    """
    if not begin_kernel(live, PDL):
        return
    sequence = tl.program_id(0)
    if tl.load(done + sequence) != 0:
        return
    now, computed = tl.load(step + sequence), tl.load(context_length + sequence)
    token = tl.load(proposed + sequence)
    tl.store(tokens + sequence * L + now, token)
    tl.store(confidence + sequence * L + now, tl.load(probability + sequence))
    tl.store(context + sequence * C, token)
    tl.store(cached + sequence, tl.load(cached + sequence) + computed)
    tl.store(context_length + sequence, 1)
    tl.store(step + sequence, now + 1)
    tl.store(offsets + sequence, tl.load(offsets + sequence) + 1)
    has_ended = (now + 1 >= L) | (now + 1 >= tl.load(limit + sequence))
    for number in tl.static_range(E):
        has_ended = has_ended | (token == tl.load(end_tokens + number))
    mark_done(sequence, has_ended, done, live)


def commit_tokens(
    state: DecodingState, statistics: TokenStatistics, policy: CommitPolicy, shift: bool, bidirectional: bool = False
) -> None:
    """Commits in each sequence's block the tokens that `policy` chooses from the output head's results (`statistics`).

    A sequence whose block is finished is marked as done: it waits for the host. The state also records that the text
    before the block is now in the KV cache, unless the network is `bidirectional` and has no cache. `shift` is
    `ModelConfig.shift`.
    """
    sequences, length = state.tokens.shape
    block = triton.next_power_of_2(length)
    commit_block[(sequences,)](
        state.live, state.done, state.tokens, state.masked, state.length, state.prompt_tokens, state.counts,
        state.limit, state.context, state.context_length, state.cached, state.step, state.committed_at,
        state.confidence, state.offsets, state.end_tokens,
        statistics.proposed, statistics.probability, statistics.second, statistics.entropy, policy.threshold,
        L=length, C=state.context.shape[1], S=state.counts.shape[1], E=state.end_tokens.shape[0], RULE=policy.rule,
        SUB=policy.sub_block, FIRST_ALONE=policy.first_token_alone, SHIFT=int(shift),
        WHOLE=bidirectional, BLOCK_L=block,
        num_warps=max(1, block * block // 1024 if block <= 128 else block // 64), **launch_options(state.live),
    )  # fmt: skip


def append_tokens(state: DecodingState, statistics: TokenStatistics) -> None:
    """Appends to each sequence the token that the output head chose (in `statistics`), in autoregressive decoding.

    A sequence is marked as done when it ends, or when its buffer for L new tokens is full and the host must read it.
    """
    sequences, length = state.tokens.shape
    append_token[(sequences,)](
        state.live, state.done, state.tokens, state.limit, state.context, state.context_length, state.cached,
        state.step, state.confidence, state.offsets, state.end_tokens, statistics.proposed, statistics.probability,
        L=length, C=state.context.shape[1], E=state.end_tokens.shape[0], num_warps=1, **launch_options(state.live),
    )  # fmt: skip
