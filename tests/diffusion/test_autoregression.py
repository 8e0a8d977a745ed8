"""Compares autoregressive decoding with a loop without cache, and self-speculation with autoregressive decoding."""

import pytest
import torch
from helpers.tiny_network import END, MASK, causal_mask, new_row, tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.autoregression import decode_autoregressively, decode_self_speculatively
from evalharness.diffusion.rows import Sampler

GREEDY = Sampler(banned=(MASK,))
PROMPTS = [[5, 9, 30], [7] * 11 + [8], [12, 33, 4, 4, 21, 6, 17, 38], [3]]


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_equals_a_loop_without_cache(seed: int) -> None:
    model = tiny_model(seed)
    rows = [new_row(prompt, limit=10 + 5 * number) for number, prompt in enumerate(PROMPTS)]
    decode_autoregressively(model, rows, GREEDY)
    for row in rows:
        tokens = list(row.prompt)
        while len(tokens) < len(row.prompt) + row.stop_checker.limit and tokens[-1] != END:
            size = len(tokens)
            hidden = model(torch.tensor([tokens]), torch.arange(size)[None], causal_mask(size))
            logits = model.logits(hidden)[0, -1]
            logits[MASK] = -torch.inf
            tokens.append(int(logits.argmax()))
        assert row.output == [token for token in tokens[len(row.prompt) :] if token != END]
        assert row.forward_passes == len(tokens) - len(row.prompt)
        assert row.steps == list(range(len(row.output)))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 20),
    block=st.integers(1, 9),
    rows=st.integers(1, 4),
    temperature=st.sampled_from([0.0, 0.3, 1.0]),
    sharp=st.booleans(),
)
def test_speculation_generates_the_autoregressive_text(
    seed: int, block: int, rows: int, temperature: float, sharp: bool
) -> None:
    """With a network that rarely predicts its drafts, and with one that repeats itself and is easy to predict."""
    model = tiny_model(seed)
    if sharp:
        model.embed.weight[5:] = model.embed.weight[5]
    sampler = Sampler(temperature, 0.95, (MASK,))
    plain = [new_row(prompt, 10 + number, seed=number) for number, prompt in enumerate(PROMPTS[:rows])]
    fast = [new_row(prompt, 10 + number, seed=number) for number, prompt in enumerate(PROMPTS[:rows])]
    decode_autoregressively(model, plain, sampler)
    decode_self_speculatively(model, fast, block, sampler)
    assert [row.output for row in fast] == [row.output for row in plain]
    assert [row.stop_checker.reason for row in fast] == [row.stop_checker.reason for row in plain]
    assert all(row.forward_passes <= 2 * other.forward_passes for row, other in zip(fast, plain, strict=True))


def test_a_predictable_network_needs_few_passes() -> None:
    """A network that always predicts the same token: eight drafted tokens and one more in every two passes."""
    model = tiny_model(0, layers=0, tied=False)
    model.head.weight.zero_()
    model.head.weight[7] = 1
    model.embed.weight.abs_()
    row = new_row([5, 9], 27)
    decode_self_speculatively(model, [row], 8, GREEDY)
    assert (row.output, row.forward_passes) == ([7] * 27, 6)
    assert row.steps == [1] * 9 + [3] * 9 + [5] * 9
