"""Compares cached decoding with a loop without cache, and batches with single rows."""

from dataclasses import replace

import pytest
import torch
from helpers.tiny_network import END, MASK, new_row, tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.autoregression import decode_autoregressively, decode_self_speculatively
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Sampler
from evalharness.diffusion.rules import RULES, find_rule

GREEDY = Sampler(banned=(MASK,))
PROMPTS = [[5, 9, 30], [7] * 11 + [8], [12, 33, 4, 4, 21, 6, 17, 38], [3]]
KINDS = {"causal": False, "block_causal": True}


def make_denoising_settings(
    rule: str = "threshold", block: int = 8, threshold: float = 0.5, aligned: bool = False
) -> DenoisingSettings:
    return DenoisingSettings(
        find_rule(rule, threshold=threshold, steps=4, block_length=block, edit_threshold=0.3), block, GREEDY, aligned
    )


def decode_without_cache(
    model: Transformer, prompt: list[int], limit: int, threshold: float, block: int, aligned: bool
) -> list[int]:
    """The threshold rule without a cache, until `limit` tokens or an end token."""
    tokens, config = list(prompt), model.config
    while len(tokens) - len(prompt) < limit and END not in tokens[len(prompt) :]:
        size = block - len(tokens) % block if aligned else block
        start = len(tokens) + size - block if aligned else len(tokens)
        tokens += [MASK] * size
        open_positions = set(range(len(tokens) - size, len(tokens)))
        while open_positions:
            order = torch.arange(len(tokens))
            visible = order[:, None] >= order
            if config.attention == "block_causal":
                visible = order[:, None] // block >= order // block
            visible = visible | ((order >= start)[:, None] & (order[:, None] >= start).T)
            logits = model.logits(model(torch.tensor([tokens]), order[None], visible[None, None]))[0]
            logits[:, MASK] = -torch.inf
            probabilities, best = logits.softmax(-1).max(-1)
            most_confident = max(open_positions, key=lambda position: (float(probabilities[position]), -position))
            for position in sorted(open_positions):
                if probabilities[position] >= threshold or position == most_confident:
                    tokens[position] = int(best[position])
                    open_positions.remove(position)
    output = tokens[len(prompt) :][:limit]
    return output[: output.index(END)] if END in output else output


@pytest.mark.parametrize("attention", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_cached_blocks_equal_a_loop_without_cache(attention: str, seed: int) -> None:
    model = tiny_model(seed, attention=attention)
    for prompt in PROMPTS:
        for threshold in (0.3, 0.9):
            row = new_row(prompt)
            denoise(model, [row], make_denoising_settings(threshold=threshold, aligned=KINDS[attention]))
            assert row.output == decode_without_cache(model, prompt, 24, threshold, 8, KINDS[attention])
            assert row.text[: len(prompt)] == prompt[: len(row.text)]


@pytest.mark.parametrize("attention", ["causal", "block_causal", "bidirectional"])
@pytest.mark.parametrize("rule", RULES)
def test_a_batch_equals_its_rows_decoded_one_by_one(attention: str, rule: str) -> None:
    """Including rows of different limits, greedy and sampled."""
    model = tiny_model(3, attention=attention)
    settings = make_denoising_settings(rule, aligned=attention == "block_causal")
    canvas = 24 * (attention == "bidirectional")
    for sampler in (GREEDY, Sampler(0.8, 0.9, (MASK,))):
        chosen = replace(settings, sampler=sampler)
        batch, single = (
            [new_row(prompt, limit=24 - 3 * seed, seed=seed, canvas=canvas) for seed, prompt in enumerate(PROMPTS)]
            for _ in range(2)
        )
        denoise(model, batch, chosen)
        for row in single:
            denoise(model, [row], chosen)
        assert [row.output for row in batch] == [row.output for row in single]
        assert [row.forward_passes for row in batch] == [row.forward_passes for row in single]
        assert [row.steps for row in batch] == [row.steps for row in single]
        assert all(MASK not in row.output for row in batch)


@settings(deadline=None, max_examples=30)
@given(
    rule=st.sampled_from(RULES),
    attention=st.sampled_from(["causal", "block_causal", "bidirectional"]),
    prompt=st.lists(st.integers(2, 39), min_size=1, max_size=20),
    block=st.integers(1, 9),
    limit=st.integers(1, 20),
    seed=st.integers(0, 5),
)
def test_every_rule_finishes_without_masks_and_keeps_the_prompt(
    rule: str, attention: str, prompt: list[int], block: int, limit: int, seed: int
) -> None:
    row = new_row(list(prompt), limit, canvas=limit * (attention == "bidirectional"))
    chosen = make_denoising_settings(rule, block, aligned=attention == "block_causal")
    denoise(tiny_model(seed, attention=attention), [row], chosen)
    assert row.ended
    assert row.prompt == prompt
    assert row.text[: len(prompt)] == prompt[: len(row.text)]
    assert MASK not in row.output
    assert len(row.output) <= limit
    most = len(row.output) + block + (17 * (limit // block + 2) if rule == "editing" else 0)
    assert 1 <= row.forward_passes <= most
    assert len(row.steps) == len(row.blocks) == len(row.confidences) == len(row.output)
    assert row.blocks == sorted(row.blocks)
    assert max(row.steps, default=0) < row.forward_passes


@pytest.mark.parametrize("seed", range(8))
def test_a_row_ends_inside_a_block_without_waiting_for_the_rest(seed: int) -> None:
    """A stop sequence or limit ends the row in the pass that commits the last token before it."""
    model = tiny_model(seed)
    whole = new_row([5, 9])
    denoise(model, [whole], make_denoising_settings(threshold=2.0))
    text = whole.stop_checker.kept_text_and_token_count()[0]
    position = text.index(text[len(text) // 2])
    stopped, limited = new_row([5, 9], stops=(text[position],)), new_row([5, 9], limit=position + 1)
    denoise(model, [stopped, limited], make_denoising_settings(threshold=2.0))
    assert (stopped.stop_checker.kept_text_and_token_count(), stopped.stop_checker.reason) == (
        (text[:position], position),
        "stop",
    )
    assert (limited.output, limited.stop_checker.reason) == (whole.output[: position + 1], "length")
    assert stopped.forward_passes == limited.forward_passes == max(whole.steps[: position + 1]) + 1
    assert stopped.prefill_s is not None
    assert stopped.first_s is not None
    assert stopped.ended_s is not None
    assert 0 < stopped.prefill_s < stopped.first_s <= stopped.ended_s
    assert stopped.first_tokens == min(position + 1, 8)


def test_rows_that_end_in_the_same_pass_have_the_same_times() -> None:
    model = tiny_model(1)
    rows = [new_row([5, 9], limit=3) for _ in range(3)]
    denoise(model, rows, make_denoising_settings(threshold=2.0))
    others = [new_row([5, 9], limit=3) for _ in range(3)]
    decode_autoregressively(model, others, GREEDY)
    drafted = [new_row([5, 9], limit=3) for _ in range(3)]
    decode_self_speculatively(model, drafted, 4, GREEDY)
    for batch in (rows, others, drafted):
        assert len({(row.first_s, row.ended_s) for row in batch}) == 1


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("length", [1, 5, 8, 13])
def test_a_fixed_length_is_kept(attention: str, length: int) -> None:
    model = tiny_model(1, attention=attention)
    canvas = length * (attention == "bidirectional")
    rows = [new_row(prompt, limit=length, length=length, canvas=canvas) for prompt in PROMPTS]
    denoise(model, rows, replace(make_denoising_settings(), sampler=Sampler(banned=(MASK, END))))
    assert [len(row.output) for row in rows] == [length] * 4
    assert all(row.stop_checker.reason == "length" for row in rows)
