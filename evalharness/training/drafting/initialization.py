"""Initializes a drafter from layers of its target, and from the frequencies of token pairs in the answers."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.network import Transformer
from evalharness.training.drafting.features import FeatureSource

SMOOTHING = 2.0
"""Additive smoothing: pairs added to those that begin with each token; their second tokens have the tokens'
frequencies.
"""


@torch.no_grad()
def initialize_from_layers(drafter: Drafter, target: Transformer, layer_numbers: Sequence[int]) -> None:
    """Initializes the drafter's layers with copies of its target's layers: layer i copies layer `layer_numbers[i]`.

    If the drafter's feed-forward layers are smaller, they get the neurons with the largest weights.
    """
    size = drafter.config.network.intermediate
    for layer, number in zip(drafter.layers, layer_numbers, strict=True):
        state = target.layers[number].state_dict()
        gate, up = state["gate_up.weight"].float().chunk(2)
        down = state["down.weight"].float()
        largest = (up.norm(dim=1) * gate.norm(dim=1) * down.norm(dim=0)).topk(size).indices.sort().values
        state["gate_up.weight"] = torch.cat((gate[largest], up[largest]))
        state["down.weight"] = down[:, largest]
        layer.load_state_dict(state)


@torch.no_grad()
def initialize_markov_head(drafter: Drafter, training_texts: FeatureSource) -> None:
    """Initializes the drafter's Markov head, a low-rank matrix of logits of each token given the previous token.

    The head becomes a low-rank approximation of the log frequencies of token pairs in the answers, in which pairs with
    a frequent first token have more weight.
    """
    size = drafter.config.network.vocab_size
    pairs, tokens = _count_token_pairs_and_second_tokens(drafter, training_texts)
    ones = (tokens + 0.1) / (tokens.sum() + 0.1 * size)
    pair_totals = pairs.sum(dim=1, keepdim=True)
    logs = ((pairs + SMOOTHING * ones) / (pair_totals + SMOOTHING)).log_()
    importance = (pair_totals + 1).sqrt()
    left, values, right = torch.svd_lowrank(logs * importance, q=drafter.config.rank, niter=3)
    scale = values.sqrt()
    drafter.previous.weight.copy_(left * scale / importance)
    drafter.following.weight.copy_(right * scale)


def _count_token_pairs_and_second_tokens(drafter: Drafter, training_texts: FeatureSource) -> tuple[Tensor, Tensor]:
    """Returns the counts of pairs of adjacent tokens in the answers [V + 1, V], and of their second tokens [V].

    V is the size of the draft vocabulary. Row V counts the pairs whose first token is outside this vocabulary.
    """
    size = drafter.config.network.vocab_size
    counts: Counter[tuple[int, int]] = Counter()
    for number in range(len(training_texts)):
        text = training_texts.text(number)
        counts.update(zip((text.prompt[-1], *text.answer), text.answer, strict=False))
    first, second = torch.tensor(list(counts), device=drafter.vocabulary.device).unbind(1)
    before, after = drafter.draft_vocabulary_indices(first), drafter.draft_vocabulary_indices(second)
    draftable = after < size
    pairs = torch.zeros(size + 1, size, device=first.device)
    amounts = torch.tensor(list(counts.values()), dtype=torch.float32, device=first.device)
    pairs.index_put_((before[draftable], after[draftable]), amounts[draftable], accumulate=True)
    return pairs, pairs.sum(dim=0)
