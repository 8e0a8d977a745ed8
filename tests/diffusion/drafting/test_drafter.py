"""The drafter's network: its cache against a pass without one, and its files."""

from pathlib import Path

import pytest
import torch
from helpers.drafters import tiny_drafter
from helpers.tiny_network import tiny_model

from evalharness.diffusion.drafting.checkpoint import load_drafter, save_drafter, target_fingerprint
from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import forward_rows, make_causal_input
from evalharness.errors import UserError
from evalharness.training.drafting.objective import compute_block_hidden_states

TEXTS = ([5, 9, 30, 12, 7, 7, 21, 4], [3, 33, 8, 17, 6])


@pytest.mark.parametrize("carry", [False, True])
def test_blocks_with_a_cache_are_those_of_a_whole_text(carry: bool) -> None:
    target = tiny_model(1)
    drafter = tiny_drafter(target, carry=carry)
    states = []
    with HiddenStateRecorder(target, drafter.config.taps) as recorder:
        for text in TEXTS:
            forward_rows(target, [make_causal_input(0, text)], None)
            states.append(recorder.states[0])
    cache = drafter.new_cache(2, 32)
    # Both rows in parts of different lengths; what is behind a part is overwritten later.
    padded = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
    drafter.extend_context(padded[:, :3], [0, 0], cache)
    second = torch.zeros(2, 4, padded.shape[-1])
    second[0, :4], second[1, :1] = states[0][3:7], states[1][3:4]
    drafter.extend_context(second, [3, 3], cache)
    cache.keep_rows([1, 0])
    cache.keep_rows([1, 0])
    anchors, starts = torch.tensor([TEXTS[0][7], TEXTS[1][4]]), [7, 4]
    found = drafter(anchors, starts, cache)
    for row, text in enumerate(TEXTS):
        expected = compute_block_hidden_states(
            drafter, states[row], torch.tensor(text), torch.tensor([2, starts[row]])
        )[1]
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-5)
    alone = drafter.new_cache(1, 32)
    drafter.extend_context(states[1][None, :4], [0], alone)
    torch.testing.assert_close(drafter(anchors[1:], [4], alone)[0], found[1], rtol=1e-4, atol=1e-5)
    first = drafter(torch.tensor([TEXTS[1][0]]), [0], drafter.new_cache(1, 32))
    expected = compute_block_hidden_states(drafter, states[1], torch.tensor(TEXTS[1]), torch.tensor([0]))
    torch.testing.assert_close(first, expected, rtol=1e-4, atol=1e-5)


def test_packed_drafter_computes_the_same() -> None:
    target = tiny_model(1)
    drafter, packed = tiny_drafter(target, carry=True), tiny_drafter(target, carry=True)
    packed.pack_matrices()
    found = []
    for network in (drafter, packed):
        cache = network.new_cache(1, 32)
        network.extend_context(torch.randn(1, 9, 64, generator=torch.Generator().manual_seed(0)), [0], cache)
        states = network(torch.tensor([7]), [9], cache)
        found.append(
            network.logits(states, network.draft_vocabulary_indices(torch.tensor([7])).expand(1, states.shape[1]))
        )
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)
    assert drafter.size == packed.size > sum(parameter.numel() for parameter in packed.parameters())


def test_saved_drafter_is_the_same(tmp_path: Path) -> None:
    target = tiny_model(1)
    drafter = tiny_drafter(target)
    save_drafter(drafter, tmp_path / "plain", quantized=False)
    plain = load_drafter(tmp_path / "plain", target)
    assert plain.config == drafter.config
    for name, value in drafter.state_dict().items():
        assert torch.equal(plain.state_dict()[name], value)
    save_drafter(drafter, tmp_path / "small", quantized=True)
    small = load_drafter(tmp_path / "small", target)
    torch.testing.assert_close(small.fuse.weight, drafter.fuse.weight, rtol=0, atol=0.02)
    assert torch.equal(small.vocabulary, drafter.vocabulary)


def test_drafter_of_another_size_is_refused(tmp_path: Path) -> None:
    save_drafter(tiny_drafter(tiny_model(1)), tmp_path, quantized=False)
    with pytest.raises(UserError, match="was trained for model tiny, which has other sizes"):
        load_drafter(tmp_path, tiny_model(1, hidden=64))
    with pytest.raises(UserError, match="cannot be read"):
        load_drafter(tmp_path / "none", tiny_model(1))


def test_fingerprint_depends_on_weights_and_not_on_precision() -> None:
    target = tiny_model(1)
    before = target_fingerprint(target)
    assert target_fingerprint(tiny_model(2)) != before
    assert target_fingerprint(target.to(torch.bfloat16)) == before
