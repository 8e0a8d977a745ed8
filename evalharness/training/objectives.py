"""The joint training loss: next-token prediction on clean text, and denoising of masked answer blocks.

One forward pass is over [clean text ; noised answer (; the answer with exactly the other tokens masked)]. Noised means
partly masked. Clean text attends to earlier text. A noised block attends to the clean text before it and to itself, as
in decoding (BD3-LM, arXiv 2503.09573, with causal attention in clean text).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evalharness.diffusion.network import Transformer
from evalharness.training.batches import TrainingBatch
from evalharness.training.recipe import Objective

TokenLosses = Callable[[Transformer, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Losses:
    """Training losses, summed over the tokens of a batch."""

    total: Tensor
    autoregressive: Tensor
    """The next-token loss of the answer tokens."""
    denoising: Tensor
    """The loss of the masked tokens."""
    masked: int
    """The number of masked tokens, without those after the end token."""
    prompt: Tensor
    prompt_tokens: int


def draw_masks(answer_tokens: Tensor, block_size: int, objective: Objective, generator: torch.Generator) -> Tensor:
    """Returns which tokens of `answer_tokens` [B, M] are masked in this step, bool [B, M].

    In each block, a random fraction of the tokens is masked, at least one.
    """
    rows, size = answer_tokens.shape
    low, high = objective.noise
    fraction = low + (high - low) * torch.rand(rows, size // block_size, 1, generator=generator)
    fraction[torch.rand(rows, size // block_size, 1, generator=generator) < objective.all_masked] = 1.0
    order = torch.rand(rows, size // block_size, block_size, generator=generator)
    masked = order < fraction
    masked |= order == order.amin(dim=-1, keepdim=True)
    return masked.view(rows, size).to(answer_tokens.device)


def make_attention_mask(batch: TrainingBatch, noised_copies: int) -> Tensor:
    """Returns the attention mask of the joint training pass, bool [B, 1, T, T] with T = L + noised_copies * M.

    The input of the pass is the text (L tokens) and `noised_copies` noised copies of its answer (M tokens each). An
    element [b, 0, i, j] is True where position i attends to position j.
    """
    rows, length = batch.tokens.shape
    size = batch.answers.shape[1]
    device = batch.tokens.device
    position = torch.arange(length, device=device)
    number = torch.arange(size, device=device) // batch.block
    mask = torch.zeros(
        rows, 1, length + noised_copies * size, length + noised_copies * size, dtype=torch.bool, device=device
    )
    mask[:, :, :length, :length] = position[:, None] >= position
    before = position < batch.prompt_lengths[:, None, None] + (number * batch.block)[:, None]
    within = number[:, None] == number
    for copy in range(noised_copies):
        start = length + copy * size
        mask[:, 0, start : start + size, :length] = before
        mask[:, :, start : start + size, start : start + size] = within
    return mask


def token_losses(model: Transformer, hidden: Tensor, labels: Tensor) -> Tensor:
    """Returns the cross-entropy, float32 [N], of token ids `labels` [N] given final hidden states [N, hidden]."""
    return F.cross_entropy(model.logits(hidden).float(), labels, reduction="none")


def compute_joint_loss(
    model: Transformer, batch: TrainingBatch, objective: Objective, generator: torch.Generator,
    token_losses: TokenLosses = token_losses,
) -> Losses:  # fmt: skip
    """Returns the autoregressive and denoising losses of a training batch; only `total` has a gradient."""
    rows, length = batch.tokens.shape
    size = batch.answers.shape[1]
    device = batch.tokens.device
    masks = [draw_masks(batch.answers, batch.block, objective, generator)] if objective.alpha else []
    if masks and objective.complementary:
        masks.append(~masks[0])
    noised = [batch.answers.masked_fill(mask, model.config.mask_id) for mask in masks]
    position, offset = torch.arange(length, device=device), torch.arange(size, device=device)
    copied = batch.prompt_lengths[:, None] + offset
    positions = torch.cat([position.expand(rows, -1), *[copied] * len(masks)], dim=1)
    hidden = model(torch.cat([batch.tokens, *noised], dim=1), positions, make_attention_mask(batch, len(masks)))

    # Only positions with a loss go through the head, which costs as much as the rest of the network.
    targets = batch.tokens[:, 1:]
    answer = (position[1:] >= batch.prompt_lengths[:, None]) & (position[1:] < batch.lengths[:, None])
    sampled = torch.rand(rows, length - 1, generator=generator).to(device) < objective.prompt
    prompt = sampled & (position[1:] < batch.prompt_lengths[:, None])
    answer_lengths = batch.lengths - batch.prompt_lengths
    inside = offset < answer_lengths[:, None]
    # All blocks with answer tokens, including the end tokens that fill the last one.
    reached = offset < (answer_lengths[:, None] + batch.block - 1) // batch.block * batch.block
    weights = _weigh_denoising_positions(masks, inside, reached, batch.block, objective)
    scored = [mask & reached for mask in masks]
    clean = hidden[:, : length - 1]
    parts = [clean[answer], clean[prompt]]
    parts += [hidden[:, length + copy * size :][:, :size][pick] for copy, pick in enumerate(scored)]
    labels = torch.cat([targets[answer], targets[prompt], *(batch.answers[pick] for pick in scored)])
    states = torch.cat(parts)
    losses = token_losses(model, states, labels)
    answer_losses, prompt_losses, masked_losses = torch.split(
        losses, [len(parts[0]), len(parts[1]), sum(map(len, parts[2:]))]
    )
    weight = torch.cat([masked_losses[:0], *(w[pick] for w, pick in zip(weights, scored, strict=True))])
    in_answer = torch.cat([inside[:0, 0], *(inside[pick] for pick in scored)])
    denoising = (masked_losses * weight).sum()
    if objective.certainty and len(masked_losses):
        entropy = _certainty_loss(model.logits(states[-len(masked_losses) :]).float(), labels[-len(masked_losses) :])
        denoising = denoising + objective.certainty * (entropy * weight).sum()
    return Losses(
        total=answer_losses.sum() + prompt_losses.sum() + objective.alpha * denoising,
        autoregressive=answer_losses.detach().sum(),
        denoising=masked_losses.detach()[in_answer].sum(),
        masked=int(in_answer.sum()),
        prompt=prompt_losses.detach().sum(),
        prompt_tokens=len(prompt_losses),
    )


def _certainty_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns a loss [N] that makes correct predictions more certain (certainty-forcing, dParallel).

    Given `logits` [N, V] and `labels` [N], the loss of a correct prediction is the entropy of its distribution at
    temperature 0.5; the loss of any other prediction is 0.
    """
    right = logits.argmax(dim=-1) == labels
    scaled = torch.log_softmax(logits / 0.5, dim=-1)
    return -(scaled.exp() * scaled).sum(dim=-1) * right


def _weigh_denoising_positions(
    masks: list[Tensor], is_answer_token: Tensor, is_in_answer_block: Tensor, block_size: int, objective: Objective
) -> list[Tensor]:
    """Returns the weights of tokens in the denoising loss, one tensor [B, M] per noised copy of the answers.

    The weight is 1 for tokens of the answer (`is_answer_token`), `objective.after_end` for the end tokens that fill its
    last block (`is_in_answer_block`), and 0 elsewhere. With weighting `elbo` it is divided by the masked fraction of
    the token's block.
    """
    weights: list[Tensor] = []
    for mask in masks:
        weight = is_answer_token.float() + objective.after_end * (is_in_answer_block & ~is_answer_token).float()
        if objective.weighting == "elbo":
            fraction = (
                mask.view(mask.shape[0], -1, block_size).float().mean(dim=-1, keepdim=True).clamp_min(1 / block_size)
            )
            weight = weight / fraction.expand(-1, -1, block_size).reshape(mask.shape)
        weights.append(weight)
    return weights
