"""The joint loss: next tokens of clean text, and masked tokens of its answer's blocks, in one forward pass.

The pass is over [clean text ; noised answer (; its complement)]. Clean text sees what is before it. A noised block sees
the clean text before it and itself, as in decoding (BD3-LM, arXiv 2503.09573, with clean text made token-causal).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evalharness.diffusion.network import Transformer
from evalharness.training.batches import Batch
from evalharness.training.recipe import Objective

TokenLosses = Callable[[Transformer, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Losses:
    """Sums over tokens: to be divided by the number of answer tokens."""

    total: Tensor
    autoregressive: Tensor
    """Of answer tokens, given all before."""
    denoising: Tensor
    """Of masked tokens."""
    masked: int
    """How many were masked, padding after the end left out."""
    prompt: Tensor
    prompted: int


def draw_masks(answers: Tensor, block: int, objective: Objective, generator: torch.Generator) -> Tensor:
    """Which tokens of `answers` [B, M] are masked: in every block a share drawn for it, and at least one."""
    rows, size = answers.shape
    low, high = objective.noise
    share = low + (high - low) * torch.rand(rows, size // block, 1, generator=generator)
    share[torch.rand(rows, size // block, 1, generator=generator) < objective.all_masked] = 1.0
    order = torch.rand(rows, size // block, block, generator=generator)
    masked = order < share
    masked |= order == order.amin(dim=-1, keepdim=True)
    return masked.view(rows, size).to(answers.device)


def pass_mask(batch: Batch, copies: int) -> Tensor:
    """Which position may look at which, bool [B, 1, T, T] with T = L + copies * M."""
    rows, length = batch.tokens.shape
    size = batch.answers.shape[1]
    device = batch.tokens.device
    place = torch.arange(length, device=device)
    number = torch.arange(size, device=device) // batch.block
    mask = torch.zeros(rows, 1, length + copies * size, length + copies * size, dtype=torch.bool, device=device)
    mask[:, :, :length, :length] = place[:, None] >= place
    before = place < batch.splits[:, None, None] + (number * batch.block)[:, None]
    within = number[:, None] == number
    for copy in range(copies):
        start = length + copy * size
        mask[:, 0, start : start + size, :length] = before
        mask[:, :, start : start + size, start : start + size] = within
    return mask


def token_losses(model: Transformer, hidden: Tensor, goals: Tensor) -> Tensor:
    """The cross-entropy [N], in float32, of token ids `goals` [N] given hidden states [N, hidden]."""
    return F.cross_entropy(model.logits(hidden).float(), goals, reduction="none")


def joint_loss(
    model: Transformer, batch: Batch, objective: Objective, generator: torch.Generator,
    token_losses: TokenLosses = token_losses,
) -> Losses:  # fmt: skip
    """The losses of one batch, differentiable in `total`."""
    rows, length = batch.tokens.shape
    size = batch.answers.shape[1]
    device = batch.tokens.device
    masks = [draw_masks(batch.answers, batch.block, objective, generator)] if objective.alpha else []
    if masks and objective.complementary:
        masks.append(~masks[0])
    noised = [batch.answers.masked_fill(mask, model.config.mask_id) for mask in masks]
    place, offset = torch.arange(length, device=device), torch.arange(size, device=device)
    copied = batch.splits[:, None] + offset
    positions = torch.cat([place.expand(rows, -1), *[copied] * len(masks)], dim=1)
    hidden = model(torch.cat([batch.tokens, *noised], dim=1), positions, pass_mask(batch, len(masks)))

    # Only what counts goes through the head: it costs as much as the network.
    targets = batch.tokens[:, 1:]
    answer = (place[1:] >= batch.splits[:, None]) & (place[1:] < batch.lengths[:, None])
    chosen = torch.rand(rows, length - 1, generator=generator).to(device) < objective.prompt
    prompt = chosen & (place[1:] < batch.splits[:, None])
    answered = batch.lengths - batch.splits
    inside = offset < answered[:, None]
    # The blocks that the answer reaches, their filling included.
    reached = offset < (answered[:, None] + batch.block - 1) // batch.block * batch.block
    weights = _weights(masks, inside, reached, batch.block, objective)
    picked = [mask & reached for mask in masks]
    clean = hidden[:, : length - 1]
    parts = [clean[answer], clean[prompt]]
    parts += [hidden[:, length + copy * size :][:, :size][pick] for copy, pick in enumerate(picked)]
    goals = torch.cat([targets[answer], targets[prompt], *(batch.answers[pick] for pick in picked)])
    states = torch.cat(parts)
    each = token_losses(model, states, goals)
    first, second, rest = torch.split(each, [len(parts[0]), len(parts[1]), sum(map(len, parts[2:]))])
    weight = torch.cat([rest[:0], *(w[pick] for w, pick in zip(weights, picked, strict=True))])
    counted = torch.cat([inside[:0, 0], *(inside[pick] for pick in picked)])
    denoising = (rest * weight).sum()
    if objective.certainty and len(rest):
        doubt = _doubt(model.logits(states[-len(rest) :]).float(), goals[-len(rest) :])
        denoising = denoising + objective.certainty * (doubt * weight).sum()
    return Losses(
        total=first.sum() + second.sum() + objective.alpha * denoising,
        autoregressive=first.detach().sum(),
        denoising=rest.detach()[counted].sum(),
        masked=int(counted.sum()),
        prompt=second.detach().sum(),
        prompted=len(second),
    )


def _doubt(logits: Tensor, goals: Tensor) -> Tensor:
    """The entropy of each row at temperature 0.5 where its likeliest token is right, else 0 (dParallel)."""
    right = logits.argmax(dim=-1) == goals
    scaled = torch.log_softmax(logits / 0.5, dim=-1)
    return -(scaled.exp() * scaled).sum(dim=-1) * right


def _weights(masks: list[Tensor], inside: Tensor, reached: Tensor, block: int, objective: Objective) -> list[Tensor]:
    """What each masked token counts: flat, or by one over its block's masked share."""
    found = []
    for mask in masks:
        weight = inside.float() + objective.after_end * (reached & ~inside).float()
        if objective.weighting == "elbo":
            share = mask.view(mask.shape[0], -1, block).float().mean(dim=-1, keepdim=True).clamp_min(1 / block)
            weight = weight / share.expand(-1, -1, block).reshape(mask.shape)
        found.append(weight)
    return found
