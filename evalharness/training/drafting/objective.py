"""The training loss of a drafter on one text, for many blocks in one forward pass."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.network import Drafter, DrafterLayer
from evalharness.diffusion.network import rope_rotation
from evalharness.training.drafting.features import TextFeatures
from evalharness.training.drafting.recipe import OptimizationSettings


class _TextContextCache(KVCache):
    """A KV cache that, in each layer, puts keys and values of the text's context before those of the blocks."""

    def __init__(self, drafter: Drafter, context: Tensor) -> None:
        positions = torch.arange(context.shape[1], device=context.device)[None]
        self._drafter, self._context = drafter, context
        self._rotation = rope_rotation(drafter.config.network, positions, context.dtype)

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the layer's keys and values of context and blocks, [1, kv_heads, context + blocks, head_dim] each.

        `keys` and `values` are those of the blocks.
        """
        module = self._drafter.layers[layer]
        assert isinstance(module, DrafterLayer)
        before_keys, before_values = module.project_context_to_keys_and_values(self._context, self._rotation)
        return torch.cat((before_keys, keys), dim=2), torch.cat((before_values, values), dim=2)


def compute_block_hidden_states(
    drafter: Drafter, target_states: Tensor, tokens: Tensor, anchor_positions: Tensor
) -> Tensor:
    """Returns the drafter's final hidden states [M, block, hidden] for M drafted blocks of a text.

    `tokens` [T] are the text's token ids. `anchor_positions` [M] are the positions of the last known tokens, with which
    the blocks begin. A block attends to itself and to the context before its anchor, which is computed from the
    target's hidden states, `target_states` [T, taps * hidden].
    """
    network, block, count = drafter.config.network, drafter.config.block, len(anchor_positions)
    context = drafter.context_features(target_states)[None]
    before = torch.cat((torch.zeros_like(context[0, :1]), context[0]))[anchor_positions]
    x = drafter.embed_blocks(tokens[anchor_positions], before).view(1, count * block, -1)
    positions = (anchor_positions[:, None] + torch.arange(block, device=anchor_positions.device)).view(1, -1)
    owner = torch.arange(count, device=anchor_positions.device).repeat_interleave(block)
    sees_context = torch.arange(len(tokens), device=anchor_positions.device) < anchor_positions[owner][:, None]
    sees = torch.cat((sees_context, owner[:, None] == owner), dim=1)
    bias = torch.zeros(sees.shape, dtype=x.dtype, device=x.device).masked_fill(~sees, -torch.inf)[None, None]
    rotation = rope_rotation(network, positions, x.dtype)
    cache = _TextContextCache(drafter, context)
    for layer in drafter.layers:
        x = layer(x, rotation, bias, cache)
    return drafter.norm(x).view(count, block, -1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class DraftLoss:
    """A drafter's loss on one text: weighted sums over the positions of all drafted blocks, and the sum of weights."""

    total: Tensor
    weight: float
    cross_entropy: float
    distance: float
    agreed: float
    """Weighted number of positions where the drafter's most probable token is the text's."""


def compute_draft_loss(
    drafter: Drafter, features: TextFeatures, anchor_positions: Tensor, settings: OptimizationSettings
) -> DraftLoss:
    """Returns a drafter's loss on M drafted blocks of one text.

    `anchor_positions` [M] are the positions in the text of the last known token, after which a block is drafted.
    Positions of a block after the end of the text have no loss.
    """
    text, block = features.text, drafter.config.block
    device = anchor_positions.device
    tokens = torch.tensor(text.tokens, device=device)
    targets = anchor_positions[:, None] + torch.arange(1, block + 1, device=device)
    inside = targets < len(tokens)
    targets = targets.clamp(max=len(tokens) - 1)
    states = compute_block_hidden_states(drafter, features.states, tokens, anchor_positions)[inside]
    targets, depth = targets[inside], torch.arange(block, device=device).expand(len(anchor_positions), -1)[inside]
    previous, target_indices = (
        drafter.draft_vocabulary_indices(tokens[targets - 1]),
        drafter.draft_vocabulary_indices(tokens[targets]),
    )
    logs = drafter.logits(states, previous).float().log_softmax(dim=-1)
    size = logs.shape[-1]
    weights = torch.exp(-depth / settings.decay)
    draftable = target_indices < size
    cross_entropy = -logs.gather(1, target_indices.clamp(max=size - 1)[:, None])[:, 0] * draftable
    rows = targets - len(text.prompt)
    ids = drafter.draft_vocabulary_indices(features.ids[rows])
    drafted = logs.exp().gather(1, ids.clamp(max=size - 1)) * (ids < size)
    # What both distributions have in common; of tokens beyond the most probable ones the target's share is near zero.
    distance = 2 * (1 - torch.minimum(drafted, features.probabilities[rows]).sum(dim=1))
    agreed = (logs.detach().argmax(dim=-1) == target_indices).float()
    certain = drafter.acceptance_logits(states.detach(), previous).float()
    confidence = F.binary_cross_entropy_with_logits(certain, agreed, reduction="none")
    cross_entropy_weight = settings.cross_entropy
    loss = cross_entropy_weight * cross_entropy + (1 - cross_entropy_weight) * distance + 0.1 * confidence
    return DraftLoss(
        (weights * loss).sum(),
        float(weights.sum()),
        float((weights * cross_entropy).detach().sum()),
        float((weights * distance).detach().sum()),
        float((weights * agreed).sum()),
    )
