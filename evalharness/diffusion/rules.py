"""Which positions of a block to fix after a pass: pure functions over statistics of each position, [B, L] all.

A rule returns true where the likeliest token is to be written. Every rule fixes at least one mask of a block that has
any; positions that are not masks are touched by `editing` alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor


@dataclass(frozen=True)
class Blocks:
    """The blocks being denoised and what the network says of them; L is the longest block."""

    masked: Tensor
    """bool [B, L]."""
    top: Tensor
    """The likeliest token, or the one drawn, int64 [B, L]; this and the following mean nothing where not computed."""
    probability: Tensor
    """Of `top`, float [B, L]."""
    lead: Tensor
    """How much likelier the likeliest token is than the runner-up, drawn or not; only where the rule is `full`."""
    entropy: Tensor
    """Of the distribution, in nats; only where the rule is `full`."""
    tokens: Tensor
    """What stands there now, int64 [B, L]."""
    editable: Tensor
    """bool [B, L]: a mask, or generated before; not what was given."""
    masks: Tensor
    """How many masks each block began with, int64 [B]."""
    step: Tensor
    """Passes that each block has had before this one, int64 [B]."""


@dataclass(frozen=True)
class Rule:
    """A rule by name, and what it needs to be applied."""

    name: str
    choose: Callable[[Blocks], Tensor]
    full: bool = False
    """Whether it looks at the lead and the entropy."""
    edits: int = 0
    """Passes that a block may have after its last mask was fixed; only with these are other positions looked at."""


Schedule = Callable[[int, int], tuple[int, ...]]
"""How many positions to fix in each pass, for a number of masks and of passes; all are positive."""


@cache
def even_schedule(masks: int, steps: int) -> tuple[int, ...]:
    """As evenly as possible, the larger ones first. Source: ML-GSAI/LLaDA generate.py get_num_transfer_tokens."""
    each, rest = divmod(masks, steps)
    return tuple(each + (step < rest) for step in range(min(steps, masks)))


@cache
def linear_schedule(masks: int, steps: int, eps: float = 1e-3) -> tuple[int, ...]:
    """The masked fraction falls linearly from 1 to eps. Source: DreamLM/Dream generation_utils.py _sample.

    There a pass may fix nothing, and the next one then sees the same text: such passes are left out.
    """
    times = torch.linspace(1, eps, steps + 1)
    counts, left = [], masks
    for step in range(steps):
        count = int(left * (1 - times[step + 1] / times[step])) if step < steps - 1 else left
        left -= count
        counts.append(count)
    return tuple(count for count in counts if count)


def threshold(blocks: Blocks, tau: float) -> Tensor:
    """Who is at least `tau` sure, and the surest. Source: Fast-dLLM (arXiv 2505.22618) section 3.3."""
    return blocks.masked & ((blocks.probability >= tau) | _best(blocks.masked, blocks.probability, 1))


def factor(blocks: Blocks, bound: float) -> Tensor:
    """The n surest, for the largest n with (n + 1)(1 - c_n) <= bound. Source: Fast-dLLM section 3.3, theorem 1."""
    ordered = _score(blocks.masked, blocks.probability).sort(dim=-1, descending=True).values
    ranks = torch.arange(2, ordered.shape[1] + 2, device=ordered.device)
    counts = ((1 - ordered) * ranks <= bound).sum(dim=-1).clamp_min(1)
    return _best(blocks.masked, blocks.probability, counts)


def confidence(blocks: Blocks, steps: int, schedule: Schedule = even_schedule) -> Tensor:
    """As many as the schedule says, the surest first: LLaDA's low-confidence remasking."""
    return _best(blocks.masked, blocks.probability, _counts(blocks, steps, schedule))


def static(blocks: Blocks, steps: int, length: int) -> Tensor:
    """As many as the schedule of a block of `length` masks says, the surest first: SDAR's low_confidence_static."""
    return _best(blocks.masked, blocks.probability, _counts(blocks, steps, even_schedule, length))


def margin(blocks: Blocks, steps: int, schedule: Schedule = linear_schedule) -> Tensor:
    """As many as the schedule says, the largest lead over the runner-up first: Dream's topk_margin."""
    return _best(blocks.masked, blocks.lead, _counts(blocks, steps, schedule))


def entropy(blocks: Blocks, steps: int, schedule: Schedule = linear_schedule) -> Tensor:
    """As many as the schedule says, the lowest entropy first: Dream's entropy."""
    return _best(blocks.masked, -blocks.entropy, _counts(blocks, steps, schedule))


def entropy_bounded(blocks: Blocks, bound: float) -> Tensor:
    """The most, lowest entropy first, whose entropies add up to `bound` at most (arXiv 2505.24857); one at least."""
    score = _score(blocks.masked, -blocks.entropy)
    total = -score.sort(dim=-1, descending=True).values.cumsum(dim=-1)
    return _best(blocks.masked, score, (total <= bound).sum(dim=-1).clamp_min(1))


def dynamic(blocks: Blocks, tau: float, steps: int, length: int) -> Tensor:
    """All above `tau`, if they are as many as `static` would fix, else those: SDAR, LLaDA2.0."""
    counts = _counts(blocks, steps, even_schedule, length)
    sure = blocks.masked & (blocks.probability > tau)
    enough = sure.sum(dim=-1, keepdim=True) >= counts[:, None]
    return torch.where(enough, sure, _best(blocks.masked, blocks.probability, counts))


def editing(blocks: Blocks, tau: float, edit: float) -> Tensor:
    """`threshold`, and rewrites what it is more than `edit` sure should be another token: LLaDA2.1 sections 2 to 4."""
    wrong = blocks.editable & ~blocks.masked & (blocks.top != blocks.tokens) & (blocks.probability > edit)
    return threshold(blocks, tau) | wrong


RULES = ("threshold", "factor", "confidence", "margin", "entropy", "entropy-bounded", "static", "dynamic", "editing")
EDITS = 16


def find_rule(name: str, *, tau: float, steps: int, block: int, bound: float | None = None, edit: float = 0.9) -> Rule:
    """The rule of that name, one of RULES.

    `tau` is the confidence of threshold, dynamic and editing; `steps` the passes per block, of `block` tokens, of
    scheduled rules; `bound` that of factor (by default 1) and entropy-bounded (0.6); `edit` the confidence above which
    a token is rewritten.
    """
    rules = {
        "threshold": Rule(name, partial(threshold, tau=tau)),
        "factor": Rule(name, partial(factor, bound=1.0 if bound is None else bound)),
        "confidence": Rule(name, partial(confidence, steps=steps)),
        "static": Rule(name, partial(static, steps=steps, length=block)),
        "margin": Rule(name, partial(margin, steps=steps), full=True),
        "entropy": Rule(name, partial(entropy, steps=steps), full=True),
        "entropy-bounded": Rule(name, partial(entropy_bounded, bound=0.6 if bound is None else bound), full=True),
        "dynamic": Rule(name, partial(dynamic, tau=tau, steps=steps, length=block)),
        "editing": Rule(name, partial(editing, tau=tau, edit=edit), edits=EDITS),
    }
    return rules[name]


def _score(masked: Tensor, score: Tensor) -> Tensor:
    return score.masked_fill(~masked, -torch.inf)


def _best(masked: Tensor, score: Tensor, counts: Tensor | int) -> Tensor:
    """The masks [B, L] with the `counts` [B] highest scores; of equal ones the first."""
    order = _score(masked, score).sort(dim=-1, descending=True, stable=True).indices
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return masked & (ranks < (counts[:, None] if isinstance(counts, Tensor) else counts))


def _counts(blocks: Blocks, steps: int, schedule: Schedule, length: int = 0) -> Tensor:
    """What the schedule of the block's masks, or of `length`, says of the pass that each block [B] is at."""
    found = []
    for masks, step in zip(blocks.masks.tolist(), blocks.step.tolist(), strict=True):
        counts = schedule(length or masks, steps)
        found.append(counts[step] if step < len(counts) else 1)
    return torch.tensor(found, device=blocks.masked.device)
