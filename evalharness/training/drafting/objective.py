"""The training loss of a drafter on one text, for many blocks in one forward pass."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.network import Drafter, DrafterLayer
from evalharness.diffusion.network import rotations
from evalharness.training.drafting.features import TextFeatures
from evalharness.training.drafting.recipe import OptimizationSettings


class _TextContext(KVCache):
    """A KV cache that gives each layer a text's context in front of the drafted blocks."""

    def __init__(self, drafter: Drafter, context: Tensor) -> None:
        positions = torch.arange(context.shape[1], device=context.device)[None]
        self._drafter, self._context = drafter, context
        self._rotation = rotations(drafter.config.network, positions, context.dtype)

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Returns a layer's keys and values of text context and blocks, [1, kv_heads, context + blocks, head_dim]."""
        module = self._drafter.layers[layer]
        assert isinstance(module, DrafterLayer)
        before_keys, before_values = module.project(self._context, self._rotation)
        return torch.cat((before_keys, keys), dim=2), torch.cat((before_values, values), dim=2)


def block_states(drafter: Drafter, states: Tensor, tokens: Tensor, anchors: Tensor) -> Tensor:
    """Returns the drafter's final hidden states [M, block, hidden] for M drafted blocks of a text.

    `anchors` [M] are the positions in the text, of token ids `tokens` [T], where drafting starts: each is the last
    known token, followed by a drafted block. A block attends to itself and to the context before its anchor, which
    comes from the target's `states` [T, taps * hidden].
    """
    network, block, count = drafter.config.network, drafter.config.block, len(anchors)
    context = drafter.context(states)[None]
    before = torch.cat((torch.zeros_like(context[0, :1]), context[0]))[anchors]
    x = drafter.inputs(tokens[anchors], before).view(1, count * block, -1)
    positions = (anchors[:, None] + torch.arange(block, device=anchors.device)).view(1, -1)
    owner = torch.arange(count, device=anchors.device).repeat_interleave(block)
    sees_context = torch.arange(len(tokens), device=anchors.device) < anchors[owner][:, None]
    sees = torch.cat((sees_context, owner[:, None] == owner), dim=1)
    bias = torch.zeros(sees.shape, dtype=x.dtype, device=x.device).masked_fill(~sees, -torch.inf)[None, None]
    rotation = rotations(network, positions, x.dtype)
    cache = _TextContext(drafter, context)
    for layer in drafter.layers:
        x = layer(x, rotation, bias, cache)
    return drafter.norm(x).view(count, block, -1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class DraftLoss:
    """A drafter's loss on one text, summed over the positions of all drafted blocks; divide `total` by `weight`."""

    total: Tensor
    weight: float
    cross_entropy: float
    distance: float
    agreed: float
    """Weighted number of positions where the drafter's most probable token is the text's."""


def draft_loss(drafter: Drafter, features: TextFeatures, anchors: Tensor, settings: OptimizationSettings) -> DraftLoss:
    """Returns a drafter's loss on M drafted blocks of a text.

    `anchors` [M] are the positions in the text after which a block is drafted. Positions after the end of the text do
    not count.
    """
    text, block = features.text, drafter.config.block
    device = anchors.device
    tokens = torch.tensor(text.tokens, device=device)
    targets = anchors[:, None] + torch.arange(1, block + 1, device=device)
    inside = targets < len(tokens)
    targets = targets.clamp(max=len(tokens) - 1)
    states = block_states(drafter, features.states, tokens, anchors)[inside]
    targets, depth = targets[inside], torch.arange(block, device=device).expand(len(anchors), -1)[inside]
    previous, wanted = drafter.index(tokens[targets - 1]), drafter.index(tokens[targets])
    logs = drafter.logits(states, previous).float().log_softmax(dim=-1)
    size = logs.shape[-1]
    weights = torch.exp(-depth / settings.decay)
    known = wanted < size
    cross_entropy = -logs.gather(1, wanted.clamp(max=size - 1)[:, None])[:, 0] * known
    rows = targets - len(text.prompt)
    ids = drafter.index(features.ids[rows])
    drafted = logs.exp().gather(1, ids.clamp(max=size - 1)) * (ids < size)
    # What both distributions have in common; of tokens beyond the most probable ones the target's share is near zero.
    distance = 2 * (1 - torch.minimum(drafted, features.probabilities[rows]).sum(dim=1))
    agreed = (logs.detach().argmax(dim=-1) == wanted).float()
    certain = drafter.acceptance_logits(states.detach(), previous).float()
    confidence = F.binary_cross_entropy_with_logits(certain, agreed, reduction="none")
    share = settings.cross_entropy
    loss = share * cross_entropy + (1 - share) * distance + 0.1 * confidence
    return DraftLoss(
        (weights * loss).sum(),
        float(weights.sum()),
        float((weights * cross_entropy).detach().sum()),
        float((weights * distance).detach().sum()),
        float((weights * agreed).sum()),
    )
