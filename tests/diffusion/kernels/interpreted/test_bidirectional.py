"""Bidirectional networks, decoded with the kernels and compared with PyTorch token by token."""

import pytest
import torch
from helpers.tiny_network import MASK, new_row, tiny_model

from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.kernels import engine
from evalharness.diffusion.kernels.commit import commit_tokens, make_commit_policy
from evalharness.diffusion.kernels.engine import Engine
from evalharness.diffusion.kernels.head import TokenStatistics
from evalharness.diffusion.kernels.layout import new_decoding_state
from evalharness.diffusion.rows import Sampler
from evalharness.diffusion.rules import BlockPredictions, find_rule

GREEDY = Sampler(banned=(MASK,))


def network(shift):
    return tiny_model(4, layers=2 - shift, heads=2, kv_heads=1, attention="bidirectional", shift=shift)


def rows():
    # Canvases of two blocks and of one; the first has a suffix.
    return [
        new_row([5, 9, 30], 6, canvas=8, suffix=[7, 8, 33]),
        new_row([12, 33, 4, 4, 21, 6], 3, canvas=3, length=3),
    ]


@pytest.mark.parametrize(("shift", "rule"), [(False, "confidence"), (True, "entropy")])
def test_tokens_passes_and_confidences_equal_those_of_pytorch(shift, rule, monkeypatch):
    monkeypatch.setattr(engine, "CANVAS_STEP", 16)
    model = network(shift)
    how = DenoisingSettings(find_rule(rule, threshold=0.9, steps=3, block_length=4), 4, GREEDY)
    # With two layers, a short row is enough.
    mine, theirs = (rows()[1 - shift :] for _ in range(2))
    denoise(model, mine, how, Engine(model))
    denoise(model, theirs, how)
    for row, other in zip(mine, theirs, strict=True):
        assert (row.output, row.steps, row.blocks) == (other.output, other.steps, other.blocks)
        assert (row.forward_passes, row.stop_checker.reason, row.ended) == (
            other.forward_passes,
            other.stop_checker.reason,
            True,
        )
        torch.testing.assert_close(row.confidences, other.confidences, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["entropy", "factor"])
def test_blocks_as_long_as_a_canvas_commit_what_the_rule_chooses(name):
    torch.manual_seed(0)
    length = 150
    masked = torch.rand(1, length) < 0.8
    # Few distinct values, so that ties are frequent.
    probability, second, entropy = (torch.randint(0, 30, (1, length)) / 30 for _ in range(3))
    how = DenoisingSettings(find_rule(name, threshold=0.9, steps=3, block_length=length, bound=2.0), length, GREEDY)
    state = new_decoding_state(1, length, 4, 3, 1, "cpu")
    state.masked.copy_(masked)
    masks = int(masked.sum())
    state.counts.copy_(torch.tensor([[*make_commit_policy(how).commits_per_pass(masks), 1, 1, 1][:3]]))
    state.length.fill_(length)
    state.limit.fill_(999)
    state.done.zero_()
    state.live.fill_(1)
    state.context_length.fill_(3)
    state.cached.fill_(2)
    top = torch.arange(length, dtype=torch.int32)[None]
    blocks = BlockPredictions(
        masked, top.long(), probability, probability - second, entropy, state.tokens.long(), masked,
        torch.tensor([masks]), torch.tensor([0]),
    )  # fmt: skip
    expected = how.rule.choose(blocks)
    figures = (values.flatten() for values in (probability, second, entropy))
    commit_tokens(
        state, TokenStatistics(top.flatten(), *figures), make_commit_policy(how), shift=False, bidirectional=True
    )
    assert (masked & (state.masked == 0)).tolist() == expected.tolist()
    assert (state.context_length.item(), state.cached.item()) == (3, 2)
