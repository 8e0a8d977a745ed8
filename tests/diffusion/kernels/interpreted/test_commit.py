"""Committing tokens on the device."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.decoding import choose_positions_to_commit
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.kernels.commit import RULES, append_tokens, commit_tokens, make_commit_policy
from evalharness.diffusion.kernels.head import TokenStatistics
from evalharness.diffusion.kernels.layout import DecodingState, new_decoding_state
from evalharness.diffusion.rows import Sampler
from evalharness.diffusion.rules import BlockPredictions, find_rule

END = 9


def fill(state: DecodingState, **values) -> DecodingState:
    for name, value in values.items():
        getattr(state, name).copy_(torch.as_tensor(value))
    return state


def scheduled(how: DenoisingSettings, masks: list[int], steps: int) -> list[list[int]]:
    rows = [make_commit_policy(how).commits_per_pass(count)[:steps] for count in masks]
    return [[*row, *[1] * (steps - len(row))] for row in rows]


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_committed_positions_equal_the_rules_choice(name, data):
    length, sequences = data.draw(st.integers(1, 11)), 2
    places = sequences * length
    # Few different values, so that equal ones are common, and those at which float32 rounds.
    shares = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 0.95, 1.0]) | st.floats(0, 1, width=32)
    table = lambda values: torch.tensor(data.draw(st.lists(values, min_size=places, max_size=places)))  # noqa: E731
    masked = table(st.booleans()).view(sequences, length)
    probability, second, entropy = (table(shares).float().view(sequences, length) for _ in range(3))
    top = torch.arange(places, dtype=torch.int32).view(sequences, length) + 100
    steps, step = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 7))
    level = data.draw(st.sampled_from([0.3, 0.9, 1.0, 1.3]))
    rule = find_rule(name, threshold=level, steps=steps, block_length=length, bound=level)
    how = DenoisingSettings(
        rule,
        length,
        Sampler(),
        sub_block=data.draw(st.sampled_from([0, 3])),
        first_token_alone=data.draw(st.booleans()),
    )
    masks = [data.draw(st.integers(1, length)) for _ in range(sequences)]
    counts = scheduled(how, masks, 6)

    state = fill(
        new_decoding_state(sequences, length, 4, 6, 1, "cpu"), tokens=50, masked=masked, length=length, counts=counts,
        limit=99, done=0, live=sequences, step=step, end_tokens=END,
    )  # fmt: skip
    blocks = BlockPredictions(
        masked, top.long(), probability, probability - second, entropy, state.tokens.long(), masked,
        torch.tensor(masks), torch.full((sequences,), step),
    )  # fmt: skip
    expected = choose_positions_to_commit(blocks, how)
    stale = [torch.where(masked, values, torch.nan).flatten() for values in (probability, second, entropy)]
    commit_tokens(state, TokenStatistics(top.flatten(), *stale), make_commit_policy(how), shift=False)

    assert (masked & (state.masked == 0)).tolist() == expected.tolist()
    assert state.tokens.tolist() == torch.where(expected, top, 50).tolist()
    assert state.confidence.tolist() == torch.where(expected, probability, 0.0).tolist()
    assert (state.committed_at[expected] == step).all()
    finished = ~(masked & ~expected).any(dim=1)
    assert state.done.tolist() == finished.int().tolist()
    assert state.live.item() == sequences - finished.sum()
    assert state.step.tolist() == [step + 1] * sequences


def committed(tokens, masked, top, **values) -> DecodingState:
    """The state after a pass that is confident of every mask except the last one."""
    length = len(tokens)
    state = fill(
        new_decoding_state(1, length, 4, 1, 2, "cpu"), tokens=[tokens], masked=[masked], length=length, counts=1,
        end_tokens=[END, 8],
        **{"limit": 99, "done": 0, "live": 1} | values,
    )  # fmt: skip
    sure = torch.full((length,), 0.95)
    sure[-1] = 0.1
    how = DenoisingSettings(find_rule("threshold", threshold=0.9, steps=1, block_length=length), length, Sampler())
    commit_tokens(
        state,
        TokenStatistics(torch.tensor(top, dtype=torch.int32), sure, sure, sure),
        make_commit_policy(how),
        shift=True,
    )
    return state


@pytest.mark.parametrize(
    ("top", "values", "done"),
    [
        ([1, 2, 3, 4], {}, 0),
        ([1, 2, END, 4], {}, 1),
        ([1, 8, 3, 4], {}, 1),
        ([1, 2, 3, END], {}, 0),
        ([1, 2, 3, 4], {"limit": 3}, 1),
        ([1, 2, 3, 4], {"limit": 4}, 0),
    ],
)
def test_a_sequence_is_done_when_its_final_prefix_has_an_end_token_or_reaches_the_limit(top, values, done):
    state = committed([0] * 4, [1] * 4, top, **values)
    assert (state.done.item(), state.live.item()) == (done, 1 - done)


def test_an_end_token_in_the_prompt_does_not_end_the_sequence():
    state = committed([END, 0, 0, 0], [0, 1, 1, 1], [1, 2, 3, 4], prompt_tokens=1)
    assert state.tokens.tolist() == [[END, 2, 3, 0]]
    assert state.done.item() == 0


def test_a_shifted_network_keeps_the_last_token_as_context():
    state = committed([0] * 4, [1] * 4, [1, 2, 3, 4], context=[[11, 12, 13, 14]], context_length=3, cached=20)
    assert (state.context[0, 0].item(), state.context_length.item(), state.cached.item()) == (13, 1, 22)


def test_a_finished_sequence_is_not_changed():
    state = committed([0] * 4, [1] * 4, [1, 2, 3, 4], done=1, live=2)
    assert state.tokens.tolist() == [[0] * 4]
    assert state.live.item() == 2


def test_tokens_are_appended_until_an_end_or_the_limit():
    state = fill(
        new_decoding_state(3, 5, 1, 1, 1, "cpu"), context=[[1], [2], [3]], context_length=1, cached=[7, 8, 9], done=0,
        live=3, limit=[99, 99, 2], end_tokens=END,
    )  # fmt: skip
    for tops in ([4, END, 5], [6, 0, 7], [2, 0, 0]):
        append_tokens(state, TokenStatistics(torch.tensor(tops, dtype=torch.int32), *torch.full((3, 3), 0.5)))
    assert [row[:count] for row, count in zip(state.tokens.tolist(), state.step.tolist(), strict=True)] == [
        [4, 6, 2], [END], [5, 7],
    ]  # fmt: skip
    assert state.done.tolist() == [0, 1, 1]
    assert state.context[0].tolist() == [2]
    assert state.cached.tolist() == [10, 9, 11]
