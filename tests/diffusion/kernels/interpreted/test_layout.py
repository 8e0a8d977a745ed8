"""The input of a forward pass, written on the device."""

import pytest
import torch
from helpers.tiny_network import new_row, tiny_config

from evalharness.diffusion.denoising import BlockState, DenoisingSettings
from evalharness.diffusion.kernels.layout import new_decoding_state, new_step_input, write_step_input
from evalharness.diffusion.rows import Sampler
from evalharness.diffusion.rules import find_rule

BLOCK = 4


def slots(config, lengths, cached):
    how = DenoisingSettings(find_rule("threshold", threshold=0.9, steps=1, block_length=BLOCK), BLOCK, Sampler())
    made = []
    for length, held in zip(lengths, cached, strict=True):
        row = new_row([5 + place % 30 for place in range(length)])
        row.text, row.cached = list(row.prompt), held
        made.append(BlockState(row))
        made[-1].start_next_block(how, config)
    return made


@pytest.mark.parametrize("attention", ["causal", "block_causal"])
@pytest.mark.parametrize("shift", [False, True])
def test_segments_equal_those_of_pytorch(attention, shift):
    config = tiny_config(attention=attention, shift=shift)
    made = slots(config, [9, 12, 6], [5, 12 - shift, 6 - shift])
    made[1].masked[2] = False
    state, step_input = new_decoding_state(3, BLOCK, 5, 1, 1, "cpu"), new_step_input(3, 9, BLOCK, "cpu")
    for number, slot in enumerate(made):
        text = slot.row.text[slot.row.cached :]
        state.context[number, : len(text)] = torch.tensor(text, dtype=torch.int32)
        state.context_length[number], state.cached[number], state.length[number] = len(text), slot.row.cached, BLOCK
        state.tokens[number], state.masked[number] = torch.tensor(slot.tokens), torch.tensor(slot.masked)
    state.done.copy_(torch.tensor([0, 0, 1]))
    state.live.fill_(2)
    for field in vars(step_input).values():
        field.fill_(-7)
    block = 0 if attention == "causal" else BLOCK
    write_step_input(state, step_input, block_length=block, shift=shift, autoregressive=False)

    for number, slot in enumerate(made[:2]):
        piece = slot.next_input(config, BLOCK)
        size = len(piece.tokens)
        rest = 9 - size
        rows = slice(number * 9, number * 9 + 9)
        assert step_input.tokens[rows].tolist() == [*piece.tokens, *[0] * rest]
        assert step_input.positions[rows].tolist() == [*range(piece.start, piece.start + size), *[-1] * rest]
        assert step_input.limits[rows].tolist() == [*piece.limits, *[-1] * rest]
    assert set(step_input.positions[18:].tolist()) == {-1}
    assert step_input.count.item() == 7
    assert step_input.block_positions[:7].tolist() == [0, 1, 2, 3, 4, 5, 7]
    begins = [len(slot.row.text) - slot.row.cached - shift for slot in made[:2]]
    expected = [begins[0] + place for place in range(4)] + [9 + begins[1] + place for place in (0, 1, 3)]
    assert step_input.rows[:7].tolist() == expected


def test_next_tokens_are_predicted_at_the_end_of_each_segment():
    state, step_input = new_decoding_state(3, 8, 1, 1, 1, "cpu"), new_step_input(3, 1, 1, "cpu")
    state.context.copy_(torch.tensor([[4], [5], [6]]))
    state.context_length.fill_(1)
    state.cached.copy_(torch.tensor([3, 9, 6]))
    state.done.copy_(torch.tensor([0, 1, 0]))
    state.live.fill_(2)
    write_step_input(state, step_input, block_length=0, shift=False, autoregressive=True)
    assert step_input.tokens.tolist() == [4, 0, 6]
    assert step_input.positions.tolist() == step_input.limits.tolist() == [3, -1, 6]
    assert step_input.count.item() == 2
    assert (step_input.rows[:2].tolist(), step_input.block_positions[:2].tolist()) == ([0, 2], [0, 2])
