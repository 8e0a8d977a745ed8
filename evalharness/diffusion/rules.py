"""Decoding rules of block diffusion: at which positions of a block a denoising step commits (writes) tokens.

They decide by statistics of each position [B, L], and return true where the proposed token is to be written. Every rule
commits at least one mask of a block that has masks. Only the rule `editing` also replaces tokens that are not masks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor


@dataclass(frozen=True)
class BlockPredictions:
    """B blocks that are being denoised, and the network's predictions for their positions, padded to [B, L].

    L is the length of the longest block. Predictions are defined only at `editable` positions.
    """

    masked: Tensor
    """bool [B, L]."""
    proposed: Tensor
    """The likeliest token, or the sampled one, int64 [B, L]."""
    probability: Tensor
    """The probability of `proposed`, float [B, L]."""
    margin: Tensor
    """The probability of the likeliest token less that of the second; only if the rule `needs_distribution`."""
    entropy: Tensor
    """The entropy of the distribution in nats; only if the rule `needs_distribution`."""
    tokens: Tensor
    """The current tokens, int64 [B, L]."""
    editable: Tensor
    """bool [B, L]: masks; for a rule that edits, also tokens that were generated before. Never prompt tokens."""
    initial_masks: Tensor
    """Masks that each block began with, int64 [B]."""
    step: Tensor
    """Denoising steps that each block has had before this one, int64 [B]."""


@dataclass(frozen=True)
class Rule:
    """A decoding rule of block diffusion: it chooses at which positions each forward pass writes the proposed token."""

    name: str
    choose: Callable[[BlockPredictions], Tensor]
    needs_distribution: bool = False
    """Whether the rule reads margins and entropies."""
    max_edit_passes: int = 0
    """Forward passes that a block may have after its last mask was replaced. Only if positive, a rule may replace
    tokens that are not masks.
    """


Schedule = Callable[[int, int], tuple[int, ...]]
"""Function of a number of masks and a number of denoising steps: how many masks each step replaces by tokens, all
positive.
"""


@cache
def make_even_schedule(mask_count: int, step_count: int) -> tuple[int, ...]:
    """Returns how many masks each denoising step replaces by tokens: as even as possible, larger numbers first.

    Source: ML-GSAI/LLaDA generate.py get_num_transfer_tokens.
    """
    base, rest = divmod(mask_count, step_count)
    return tuple(base + (step < rest) for step in range(min(step_count, mask_count)))


@cache
def make_linear_schedule(mask_count: int, step_count: int, eps: float = 1e-3) -> tuple[int, ...]:
    """Returns how many masks each step replaces by tokens, so that the masked fraction falls linearly from 1 to eps.

    Source: DreamLM/Dream generation_utils.py _sample. Steps in which that code replaces no mask are left out, because
    they do not change the text.
    """
    times = torch.linspace(1, eps, step_count + 1)
    counts, remaining = [], mask_count
    for step in range(step_count):
        count = int(remaining * (1 - times[step + 1] / times[step])) if step < step_count - 1 else remaining
        remaining -= count
        counts.append(count)
    return tuple(count for count in counts if count)


def choose_positions_by_threshold(predictions: BlockPredictions, threshold: float) -> Tensor:
    """Returns which mask tokens of B blocks rule `threshold` replaces by the proposed tokens, bool [B, L].

    In each block these are all masks whose proposed token has a probability of at least `threshold`; if there are none,
    the mask whose proposed token is the most probable.

    Source: Fast-dLLM (arXiv 2505.22618) section 3.3.
    """
    return predictions.masked & (
        (predictions.probability >= threshold) | _select_highest_scoring(predictions.masked, predictions.probability, 1)
    )


def choose_positions_by_factor(predictions: BlockPredictions, bound: float) -> Tensor:
    """Returns which mask tokens of B blocks rule `factor` replaces by the proposed tokens, bool [B, L].

    In each block these are the n masks with the most probable proposed tokens, for the largest n with
    (n + 1)(1 - p_n) <= bound, where p_n is the n-th largest probability. At least one mask is replaced.

    Source: Fast-dLLM section 3.3, theorem 1.
    """
    ordered = (
        _exclude_unmasked_positions(predictions.masked, predictions.probability).sort(dim=-1, descending=True).values
    )
    ranks = torch.arange(2, ordered.shape[1] + 2, device=ordered.device)
    counts = ((1 - ordered) * ranks <= bound).sum(dim=-1).clamp_min(1)
    return _select_highest_scoring(predictions.masked, predictions.probability, counts)


def choose_positions_by_confidence(
    predictions: BlockPredictions, steps: int, schedule: Schedule = make_even_schedule
) -> Tensor:
    """Returns which mask tokens of B blocks rule `confidence` replaces by the proposed tokens, bool [B, L].

    In each block these are the masks with the most probable proposed tokens, as many as the `schedule` for `steps`
    denoising steps gives for the current step. Source: LLaDA's low-confidence remasking.
    """
    return _select_highest_scoring(
        predictions.masked, predictions.probability, _scheduled_commit_counts(predictions, steps, schedule)
    )


def choose_positions_by_static_schedule(predictions: BlockPredictions, steps: int, schedule_length: int) -> Tensor:
    """Returns which mask tokens of B blocks rule `static` replaces by the proposed tokens, bool [B, L].

    In each block these are the masks with the most probable proposed tokens, as many as an even schedule of
    `schedule_length` masks over `steps` denoising steps gives for the current step.

    Source: SDAR's low_confidence_static.
    """
    return _select_highest_scoring(
        predictions.masked,
        predictions.probability,
        _scheduled_commit_counts(predictions, steps, make_even_schedule, schedule_length),
    )


def choose_positions_by_margin(
    predictions: BlockPredictions, steps: int, schedule: Schedule = make_linear_schedule
) -> Tensor:
    """Returns which mask tokens of B blocks rule `margin` replaces by the proposed tokens, bool [B, L].

    In each block these are the masks with the largest margins, as many as the `schedule` for `steps` denoising steps
    gives for the current step. The margin is the probability of the most probable token minus that of the second.
    Source: Dream's topk_margin.
    """
    return _select_highest_scoring(
        predictions.masked, predictions.margin, _scheduled_commit_counts(predictions, steps, schedule)
    )


def choose_positions_by_entropy(
    predictions: BlockPredictions, steps: int, schedule: Schedule = make_linear_schedule
) -> Tensor:
    """Returns which mask tokens of B blocks rule `entropy` replaces by the proposed tokens, bool [B, L].

    In each block these are the masks with the lowest entropies, as many as the `schedule` for `steps` denoising steps
    gives for the current step. Source: Dream.
    """
    return _select_highest_scoring(
        predictions.masked, -predictions.entropy, _scheduled_commit_counts(predictions, steps, schedule)
    )


def choose_positions_by_entropy_bound(predictions: BlockPredictions, bound: float) -> Tensor:
    """Returns which mask tokens of B blocks rule `entropy-bounded` replaces by the proposed tokens, bool [B, L].

    In each block these are the masks of lowest entropy whose entropies add up to at most `bound` nats, and at least one
    mask.

    Source: arXiv 2505.24857.
    """
    score = _exclude_unmasked_positions(predictions.masked, -predictions.entropy)
    total = -score.sort(dim=-1, descending=True).values.cumsum(dim=-1)
    return _select_highest_scoring(predictions.masked, score, (total <= bound).sum(dim=-1).clamp_min(1))


def choose_positions_dynamically(
    predictions: BlockPredictions, threshold: float, steps: int, schedule_length: int
) -> Tensor:
    """Returns which mask tokens of B blocks rule `dynamic` replaces by the proposed tokens, bool [B, L].

    In each block these are all masks whose proposed token has a probability above `threshold`. If rule `static` would
    replace more masks, it chooses them instead. Source: SDAR, LLaDA2.0.
    """
    counts = _scheduled_commit_counts(predictions, steps, make_even_schedule, schedule_length)
    confident = predictions.masked & (predictions.probability > threshold)
    enough = confident.sum(dim=-1, keepdim=True) >= counts[:, None]
    return torch.where(enough, confident, _select_highest_scoring(predictions.masked, predictions.probability, counts))


def choose_positions_with_editing(predictions: BlockPredictions, threshold: float, edit_threshold: float) -> Tensor:
    """Returns at which positions of B blocks rule `editing` writes the proposed tokens, bool [B, L].

    These are the masks that rule `threshold` chooses, and the positions of generated tokens for which the network
    proposes another token with a probability above `edit_threshold`.

    Source: LLaDA2.1 sections 2 to 4.
    """
    replaced = (
        predictions.editable
        & ~predictions.masked
        & (predictions.proposed != predictions.tokens)
        & (predictions.probability > edit_threshold)
    )
    return choose_positions_by_threshold(predictions, threshold) | replaced


RULES = ("threshold", "factor", "confidence", "margin", "entropy", "entropy-bounded", "static", "dynamic", "editing")
MAX_EDIT_PASSES = 16


@cache
def find_rule(
    rule_name: str,
    *,
    threshold: float,
    steps: int,
    block_length: int,
    bound: float | None = None,
    edit_threshold: float = 0.9,
) -> Rule:
    """Returns the decoding rule with this name, one of RULES; the same object for the same arguments.

    The rules threshold, dynamic and editing use `threshold`. Rules with a schedule use `steps`, the forward passes per
    block of `block_length` tokens. The rules factor (default 1) and entropy-bounded (default 0.6 nats) use `bound`. The
    rule editing replaces a token if the probability of another one is above `edit_threshold`.
    """
    rules = {
        "threshold": Rule(rule_name, partial(choose_positions_by_threshold, threshold=threshold)),
        "factor": Rule(rule_name, partial(choose_positions_by_factor, bound=1.0 if bound is None else bound)),
        "confidence": Rule(rule_name, partial(choose_positions_by_confidence, steps=steps)),
        "static": Rule(
            rule_name, partial(choose_positions_by_static_schedule, steps=steps, schedule_length=block_length)
        ),
        "margin": Rule(rule_name, partial(choose_positions_by_margin, steps=steps), needs_distribution=True),
        "entropy": Rule(rule_name, partial(choose_positions_by_entropy, steps=steps), needs_distribution=True),
        "entropy-bounded": Rule(
            rule_name,
            partial(choose_positions_by_entropy_bound, bound=0.6 if bound is None else bound),
            needs_distribution=True,
        ),
        "dynamic": Rule(
            rule_name,
            partial(choose_positions_dynamically, threshold=threshold, steps=steps, schedule_length=block_length),
        ),
        "editing": Rule(
            rule_name,
            partial(choose_positions_with_editing, threshold=threshold, edit_threshold=edit_threshold),
            max_edit_passes=MAX_EDIT_PASSES,
        ),
    }
    return rules[rule_name]


def _exclude_unmasked_positions(masked: Tensor, score: Tensor) -> Tensor:
    """Returns the scores [B, L] of block positions, with minus infinity at positions that are not masks."""
    return score.masked_fill(~masked, -torch.inf)


def _select_highest_scoring(masked: Tensor, score: Tensor, counts: Tensor | int) -> Tensor:
    """Returns the masks with the highest scores, bool [B, L]; `counts` [B] is the number to select in each block.

    Among equal scores, the first positions are chosen.
    """
    order = _exclude_unmasked_positions(masked, score).sort(dim=-1, descending=True, stable=True).indices
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return masked & (ranks < (counts[:, None] if isinstance(counts, Tensor) else counts))


def _scheduled_commit_counts(
    predictions: BlockPredictions, steps: int, schedule: Schedule, schedule_length: int = 0
) -> Tensor:
    """Returns how many masks the schedule replaces by tokens in each block's current step, int64 [B].

    The schedule is made for `schedule_length` masks; if that is 0, for as many masks as the block began with.
    """
    current = []
    for masks, step in zip(predictions.initial_masks.tolist(), predictions.step.tolist(), strict=True):
        counts = schedule(schedule_length or masks, steps)
        current.append(counts[step] if step < len(counts) else 1)
    return torch.tensor(current, device=predictions.masked.device)
