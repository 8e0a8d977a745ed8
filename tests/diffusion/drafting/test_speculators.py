"""Drafters in the checkpoint format of `speculators`.

`speculators_checkpoint/` was written by speculators 0.9.0 for a random DSpark drafter of `rounded_target()`;
`expected.json` has what its own code computed for one block.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.tiny_network import MASK, new_row, tiny_model

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.drafting.checkpoint import load_drafter
from evalharness.diffusion.drafting.decoding import draft_and_verify
from evalharness.diffusion.drafting.proposals import DraftingSettings
from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import forward_rows, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Sampler
from evalharness.errors import UserError

FOLDER = Path(__file__).with_name("speculators_checkpoint")


def rounded_target() -> Transformer:
    """The target, whose embedding the checkpoint has in bfloat16."""
    return tiny_model(3).bfloat16().float()


@torch.inference_mode()
def test_logits_and_acceptance_are_those_of_speculators() -> None:
    expected, target = json.loads((FOLDER / "expected.json").read_text()), rounded_target()
    drafter = load_drafter(FOLDER, target)
    assert drafter.vocabulary.tolist() == expected["vocabulary"]
    with HiddenStateRecorder(target, drafter.config.taps) as recorder:
        forward_rows(target, [make_causal_input(0, expected["tokens"])], None)
        states = recorder.states
    anchor = expected["anchor"]
    cache = drafter.new_cache(1, 64)
    drafter.extend_context(states[:, :anchor], [0], cache)
    block = drafter(torch.tensor([expected["tokens"][anchor]]), [anchor], cache)
    previous = drafter.draft_vocabulary_indices(torch.tensor([expected["previous"]]))
    assert drafter.logits(block, previous)[0].tolist() == [pytest.approx(row, abs=2e-4) for row in expected["logits"]]
    assert drafter.acceptance_logits(block, previous)[0].tolist() == pytest.approx(expected["acceptance"], abs=2e-4)


def test_decoding_with_it_is_lossless() -> None:
    target, sampler = tiny_model(3), Sampler(banned=(MASK,))
    plain, drafted = new_row([5, 9, 30], 40), new_row([5, 9, 30], 40)
    decode_autoregressively(target, [plain], sampler)
    draft_and_verify(target, [drafted], sampler, DraftingSettings(load_drafter(FOLDER, target)))
    assert drafted.text == plain.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"speculators_model_type": "eagle3"}, "eagle3"),
        ({"markov_head_type": "rnn"}, "Markov head"),
        ({"sample_from_anchor": False}, "anchor"),
        ({"draft_vocab_size": None}, "config.json"),
        ({"aux_hidden_state_layer_ids": None}, "config.json"),
    ],
)
def test_another_architecture_is_a_user_error(change: dict[str, object], reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "drafter"
    shutil.copytree(FOLDER, folder)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(UserError, match=reason):
        load_drafter(folder, tiny_model(3))
