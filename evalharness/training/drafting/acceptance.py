"""Measures a drafter's acceptance length offline, on answers that the target generated greedily.

The target would generate such an answer again, so it would accept the longest prefix of a draft that agrees with the
answer.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.diffusion.drafting.network import Drafter
from evalharness.training.drafting.features import TextFeatures
from evalharness.training.drafting.objective import compute_block_hidden_states
from evalharness.training.drafting.shards import TrainingText

ProposeDraft = Callable[[int], Sequence[int]]
"""Function that returns the drafted tokens after a position of a text."""


@dataclass(frozen=True)
class AcceptanceCounts:
    """Counts of a simulated speculative decoding: the target's forward `passes`, and the `tokens` that they generated.

    `by_position[i]` is the number of passes that accepted the draft token at position i.
    """

    passes: int
    tokens: int
    by_position: tuple[int, ...]

    @property
    def acceptance_length(self) -> float:
        """The acceptance length: tokens per forward pass of the target, bonus token included."""
        return self.tokens / max(1, self.passes)

    @property
    def acceptance_rates(self) -> list[float]:
        """For each position of a draft, the fraction of forward passes that accepted its token."""
        return [count / max(1, self.passes) for count in self.by_position]


def simulate_speculative_decoding(
    text: TrainingText, propose_draft: ProposeDraft, max_draft_length: int
) -> AcceptanceCounts:
    """Returns the acceptance counts of a simulated speculative decoding of a text that the target generated greedily.

    `propose_draft(position)` returns the draft (token ids, at most `max_draft_length`) for the tokens after a position
    of the text.
    """
    tokens, position = text.tokens, len(text.prompt) - 1
    passes, counts = 0, [0] * max_draft_length
    while position < len(tokens) - 1:
        draft = propose_draft(position)
        accepted = 0
        while accepted < min(len(draft), len(tokens) - 2 - position) and (
            draft[accepted] == tokens[position + 1 + accepted]
        ):
            counts[accepted] += 1
            accepted += 1
        passes += 1
        position += accepted + 1
    return AcceptanceCounts(passes, len(text.answer), tuple(counts))


def sum_acceptance_counts(counts_of_texts: Iterable[AcceptanceCounts]) -> AcceptanceCounts:
    """Returns the sum of the acceptance counts of several texts."""
    counts_list = list(counts_of_texts)
    counts = [sum(column) for column in zip(*(part.by_position for part in counts_list), strict=True)]
    return AcceptanceCounts(
        sum(part.passes for part in counts_list), sum(part.tokens for part in counts_list), tuple(counts)
    )


@torch.no_grad()
def draft_at_all_answer_positions(drafter: Drafter, features: TextFeatures) -> Tensor:
    """Returns the drafter's greedy drafts as token ids [answer tokens, block]: row i drafts the answer from token i on.

    Each draft is made given the text before it: the prompt and the first i tokens of the answer.
    """
    text = features.text
    device = features.states.device
    tokens = torch.tensor(text.tokens, device=device)
    anchors = torch.arange(len(text.prompt) - 1, len(tokens) - 1, device=device)
    states = compute_block_hidden_states(drafter, features.states, tokens, anchors)
    previous, drafted = drafter.draft_vocabulary_indices(tokens[anchors]), []
    for depth in range(drafter.config.block):
        previous = drafter.logits(states[:, depth], previous).argmax(dim=-1)
        drafted.append(drafter.vocabulary[previous])
    return torch.stack(drafted, dim=1)


def measure_acceptance_on_text(drafter: Drafter, features: TextFeatures) -> AcceptanceCounts:
    """Returns the acceptance counts of a drafter on one text, given with the target's features."""
    drafts, first = draft_at_all_answer_positions(drafter, features).tolist(), len(features.text.prompt) - 1
    return simulate_speculative_decoding(features.text, lambda position: drafts[position - first], drafter.config.block)
