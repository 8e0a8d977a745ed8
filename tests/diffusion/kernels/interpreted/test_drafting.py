"""The kernels of speculative decoding: verification, acceptance, and the drafter's passes."""

import torch
from helpers.drafters import tiny_drafter
from helpers.tiny_network import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.drafting.proposals import DraftingSettings
from evalharness.diffusion.kernels.drafting.drafter import (
    draft_tokens,
    extend_drafter_context,
    new_drafter_buffers,
    read_drafter_weights,
)
from evalharness.diffusion.kernels.drafting.engine import limit_draft_length
from evalharness.diffusion.kernels.drafting.state import new_speculation_state
from evalharness.diffusion.kernels.drafting.verification import accept_drafts, write_verification_input
from evalharness.diffusion.kernels.head import TokenStatistics, gumbel_noise_reference
from evalharness.diffusion.kernels.layout import new_step_input

D, S, END = 3, 2, 9


def make_state(drafts, done):
    """A state of sequences after different numbers of tokens, with the given drafts."""
    state = new_speculation_state(len(drafts), D, S, 1, "cpu")
    for number, draft in enumerate(drafts):
        state.drafts[number, : len(draft)] = torch.tensor(draft, dtype=torch.int32)
        state.draft_length[number] = len(draft)
        state.last[number], state.cached[number] = 50 + number, 7 * number
    state.done.copy_(torch.tensor(done))
    state.live.fill_(done.count(0))
    state.limit.fill_(100)
    state.pass_limit.fill_(S)
    state.end_tokens.fill_(END)
    return state


def test_input_of_a_pass_is_the_last_token_and_the_draft():
    drafts = [[1, 2], [3, 4, 5], [6], []]
    state, step_input = make_state(drafts, [0, 0, 1, 0]), new_step_input(4, D + 1, D + 1, "cpu")
    for field in vars(step_input).values():
        field.fill_(-7)
    write_verification_input(state, step_input)
    assert step_input.tokens.tolist() == [50, 1, 2, 0, 51, 3, 4, 5, 0, 0, 0, 0, 53, 0, 0, 0]
    positions = [0, 1, 2, -1, 7, 8, 9, 10, -1, -1, -1, -1, 21, -1, -1, -1]
    assert step_input.positions.tolist() == step_input.limits.tolist() == positions
    rows = [0, 1, 2, 4, 5, 6, 7, 12]
    assert step_input.count.item() == len(rows)
    assert step_input.rows[:8].tolist() == step_input.block_positions[:8].tolist() == rows


def accepted_tokens(draft, chosen, shares, threshold):
    """The reference: the draft's tokens while they are accepted, and the target's own token."""
    tokens = []
    for number, token in enumerate(draft):
        if token != chosen[number] and not (threshold < 1 and shares[number] >= threshold):
            return [*tokens, chosen[number]]
        tokens.append(token)
    return [*tokens, chosen[len(draft)]]


TOKEN = st.integers(8, 10)


@settings(max_examples=12, deadline=None)
@given(
    drafts=st.lists(st.lists(TOKEN, max_size=D), min_size=2, max_size=2),
    chosen=st.lists(TOKEN, min_size=16, max_size=16),
    threshold=st.sampled_from([1.0, 0.5]),
    limit=st.integers(1, 6),
)
def test_a_pass_appends_the_accepted_tokens_and_the_targets_own(drafts, chosen, threshold, limit):
    shares = [0.4 if number % 3 else 0.6 for number in range(16)]
    state = make_state([*drafts, [8]], [0, 0, 1])
    state.limit.fill_(limit)
    outputs = [[], []]
    for number in range(S):
        statistics = TokenStatistics(
            torch.tensor([*chosen[8 * number : 8 * number + 8], *[-9] * 4]).int(), *torch.zeros(3, 12),
            share=torch.tensor([*shares[8 * number : 8 * number + 8], *[1.0] * 4]),
        )  # fmt: skip
        done = state.done.tolist()
        accept_drafts(state, statistics, threshold)
        for row, draft in enumerate(drafts):
            if done[row]:
                continue
            own = slice(8 * number + 4 * row, 8 * number + 4 * row + 4)
            tokens = accepted_tokens(draft if number == 0 else [], chosen[own], shares[own], threshold)
            outputs[row] += tokens
            if number == 0:
                assert state.verified_drafts[row, 0, : len(draft)].tolist() == draft
            assert state.verified_lengths[row, number] == (0 if number else len(draft))
            assert state.accepted[row, number] == len(tokens) - 1
            assert state.outputs[row, : state.output_length[row]].tolist() == outputs[row]
            assert state.last[row] == outputs[row][-1]
            assert state.cached[row] == 7 * row + len(outputs[row])
            assert state.offsets[row] == len(outputs[row])
            ended = END in tokens or len(outputs[row]) >= limit or number == S - 1
            assert state.done[row] == ended
    assert state.live.item() == state.done.tolist().count(0) == 0
    assert (state.output_length[2], state.passes[2], state.last[2]) == (0, 0, 52)


def test_drafts_are_shorter_in_large_batches():
    drafting = DraftingSettings(lookup=True, max_length=15)
    lengths = [limit_draft_length(drafting, sequences).max_length for sequences in (1, 16, 32, 500)]
    assert lengths == [15, 15, 7, 1]


def test_drafter_equals_that_of_pytorch():
    target = tiny_model(1, heads=2, kv_heads=1)
    drafter = tiny_drafter(target, block=4, carry=True, rank=16)
    weights = read_drafter_weights(drafter)
    own, other = (drafter.new_cache(2, 32) for _ in range(2))
    generator = torch.Generator().manual_seed(0)
    prompt, more = torch.randn(2, 5, 64, generator=generator), torch.randn(2, D + 1, 64, generator=generator)
    for cache in (own, other):
        drafter.extend_context(prompt, [0, 0], cache)
    buffers = new_drafter_buffers(weights, own, D + 1, draft_length=3)
    hidden = target.config.hidden
    for number, norm in enumerate(drafter.tap_norms):
        own_part = slice(number * hidden, (number + 1) * hidden)
        buffers.taps[:, own_part] = norm(more[..., own_part]).flatten(0, 1)
    # The second sequence had a draft of two tokens, of which none is accepted.
    state = make_state([[], []], [0, 0])
    positions = torch.tensor([5, 6, 7, 8, 5, 6, 7, -1], dtype=torch.int32)
    extend_drafter_context(weights, buffers, own, positions, state.live)
    drafter.extend_context(more, [5, 5], other)
    state.last.copy_(torch.tensor([7, 11]))
    state.cached.copy_(torch.tensor([9, 6]))
    state.uses_drafter.copy_(torch.tensor([1, 0]))
    state.offsets.copy_(torch.tensor([4, 1]))
    state.output_length.copy_(torch.tensor([4, 1]))
    state.seeds.copy_(torch.tensor([2**40 + 3, 5]))

    anchors = torch.tensor([7, 11])
    states = drafter(anchors, [9, 6], other)
    for temperature in (0.0, 0.7):
        state.limit.fill_(100 if temperature else 7)
        state.draft_length.zero_()
        draft_tokens(weights, buffers, own, state, temperature)
        torch.testing.assert_close(buffers.step.normed.view(2, 4, -1), states, rtol=1e-4, atol=1e-4)
        previous, expected = drafter.draft_vocabulary_indices(anchors), []
        for depth in range(3):
            logits = drafter.logits(states[:, depth], previous)
            for row, (seed, offset) in enumerate(zip(state.seeds.tolist(), state.offsets.tolist(), strict=True)):
                noise = gumbel_noise_reference(seed, offset + depth, target.config.vocab_size)
                logits[row] += temperature * noise[drafter.vocabulary.long()]
            previous = logits.argmax(dim=-1)
            expected.append(int(drafter.vocabulary[previous[0]]))
        # The limit of 7 tokens leaves room for two drafted ones and the target's.
        length = 3 if temperature else 2
        assert state.draft_length.tolist() == [length, 0]
        assert state.drafts[0, :length].tolist() == expected[:length]
    for number in range(2):
        for mine, theirs in zip(own.layer_keys_and_values(number), other.layer_keys_and_values(number), strict=True):
            torch.testing.assert_close(mine[0, :, :13], theirs[0, :, :13], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(mine[1, :, :10], theirs[1, :, :10], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(own.context_features[0, :9], other.context_features[0, :9], rtol=1e-4, atol=1e-4)
