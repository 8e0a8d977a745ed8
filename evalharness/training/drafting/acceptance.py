"""How many drafts a target accepts, measured on its own greedy answers without running it again.

An answer that the target wrote greedily is what it would say again, so the length of the agreeing prefix of a draft is
how many of its tokens the target would accept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.drafting.network import Drafter
from evalharness.training.drafting.features import TextFeatures
from evalharness.training.drafting.objective import block_states
from evalharness.training.drafting.shards import Text

Propose = Callable[[int], Sequence[int]]
"""The drafted tokens for an anchor's position."""


@dataclass(frozen=True)
class Acceptance:
    """Passes and tokens of simulated decoding; `by_position[i]` counts passes that accepted draft i."""

    passes: int
    tokens: int
    by_position: tuple[int, ...]

    @property
    def length(self) -> float:
        """Tokens per pass of the target, its own token included."""
        return self.tokens / max(1, self.passes)

    @property
    def shares(self) -> list[float]:
        """Of each draft position, the share of passes that accepted it."""
        return [count / max(1, self.passes) for count in self.by_position]


def simulate(text: Text, propose: Propose, block: int) -> Acceptance:
    """Returns the acceptance when a text is decoded with these drafts, each verified by the text itself."""
    tokens, position = text.tokens, len(text.prompt) - 1
    passes, counts = 0, [0] * block
    while position < len(tokens) - 1:
        draft = propose(position)
        accepted = 0
        while accepted < min(len(draft), len(tokens) - 2 - position) and (
            draft[accepted] == tokens[position + 1 + accepted]
        ):
            counts[accepted] += 1
            accepted += 1
        passes += 1
        position += accepted + 1
    return Acceptance(passes, len(text.answer), tuple(counts))


def total(parts: Iterable[Acceptance]) -> Acceptance:
    """Returns the sum of the texts' acceptance counts."""
    kept = list(parts)
    counts = [sum(column) for column in zip(*(part.by_position for part in kept), strict=True)]
    return Acceptance(sum(part.passes for part in kept), sum(part.tokens for part in kept), tuple(counts))


@torch.no_grad()
def drafts_everywhere(drafter: Drafter, features: TextFeatures) -> Tensor:
    """Returns greedy drafts [answer tokens, block], one per anchor.

    The anchors run from the prompt's last token to the last token but one.
    """
    text = features.text
    device = features.states.device
    tokens = torch.tensor(text.tokens, device=device)
    anchors = torch.arange(len(text.prompt) - 1, len(tokens) - 1, device=device)
    states = block_states(drafter, features.states, tokens, anchors)
    previous, drafted = drafter.index(tokens[anchors]), []
    for depth in range(drafter.config.block):
        previous = drafter.logits(states[:, depth], previous).argmax(dim=-1)
        drafted.append(drafter.vocabulary[previous])
    return torch.stack(drafted, dim=1)


def drafter_acceptance(drafter: Drafter, features: TextFeatures) -> Acceptance:
    """Returns the acceptance of the drafter's own drafts for a text."""
    drafts, first = drafts_everywhere(drafter, features).tolist(), len(features.text.prompt) - 1
    return simulate(features.text, lambda position: drafts[position - first], drafter.config.block)
