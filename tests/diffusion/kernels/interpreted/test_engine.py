"""Whole decoding with the kernels, compared with PyTorch token by token."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from helpers.tiny_network import END, MASK, new_row, tiny_model

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.forward import RowInput, forward_rows
from evalharness.diffusion.kernels.commit import RULES
from evalharness.diffusion.kernels.engine import Engine
from evalharness.diffusion.kernels.fp8 import quantize_to_fp8
from evalharness.diffusion.kernels.kernel_options import Precision
from evalharness.diffusion.kernels.layout import new_decoding_state, write_step_input
from evalharness.diffusion.kernels.step import forward, new_step_buffers, read_kernel_weights
from evalharness.diffusion.rows import Sampler
from evalharness.diffusion.rules import find_rule

GREEDY = Sampler(banned=(MASK,))
PROMPTS = [[5, 9, 30], [12, 33, 4, 4, 21, 6, 17, 38]]


def model(seed=0, **changes):
    return tiny_model(seed, **{"layers": 1, "heads": 2, "kv_heads": 1} | changes)


def same(rows, others):
    for row, other in zip(rows, others, strict=True):
        assert row.output == other.output
        assert (row.stop_checker.reason, row.steps, row.blocks) == (
            other.stop_checker.reason,
            other.steps,
            other.blocks,
        )
        torch.testing.assert_close(row.confidences, other.confidences, rtol=1e-4, atol=1e-5)
        assert (row.first_tokens, row.ended) == (other.first_tokens, True)


@pytest.mark.parametrize("attention", ["causal", "block_causal"])
@pytest.mark.parametrize("shift", [False, True])
def test_final_states_equal_those_of_the_network(attention, shift):
    changes = {"layers": 2, "heads": 4, "kv_heads": 2}
    network = model(
        attention=attention, shift=shift, **changes, qkv_bias=shift, qk_norm=not shift, rotary=1.0 if shift else 0.5
    )
    cache, other = (KVCache(network.config, 2, 64, torch.float32, "cpu") for _ in range(2))
    texts, block = [[5, 6, 7, 8, 9], [10, 11]], [4, MASK, MASK]
    state = new_decoding_state(2, 3, 6, 1, 1, "cpu")
    pieces = []
    for number, text in enumerate(texts):
        end = len(text)
        limits = range(end) if attention == "causal" else [min(end, place // 4 * 4 + 4) - 1 for place in range(end)]
        pieces.append(RowInput(0, [*text, *block], [*limits, *[end + 2] * 3]))
        state.context[number, :end] = torch.tensor(text)
        state.context_length[number] = end
    state.tokens.copy_(torch.tensor([block] * 2))
    state.length.fill_(3)
    state.done.zero_()
    state.live.fill_(2)
    weights = read_kernel_weights(network)
    buffers = new_step_buffers(weights, cache, 9, 3, (MASK,))
    for buffer in (
        buffers.residual,
        buffers.normed,
        buffers.queries,
        buffers.attended,
        buffers.gated,
        *buffers.products,
    ):
        buffer.fill_(math.nan)
    write_step_input(
        state,
        buffers.step_input,
        block_length=4 if attention == "block_causal" else 0,
        shift=shift,
        autoregressive=False,
    )
    forward(weights, buffers, cache, state.live)
    expected = forward_rows(network, pieces, other)
    for number, piece in enumerate(pieces):
        size = len(piece.tokens)
        found = buffers.normed.view(2, 9, -1)[number, :size]
        torch.testing.assert_close(found, expected[number, :size], rtol=1e-4, atol=1e-4)
        for mine, theirs in zip(cache.layer_keys_and_values(1), other.layer_keys_and_values(1), strict=True):
            torch.testing.assert_close(mine[number, :, :size], theirs[number, :, :size], rtol=1e-4, atol=1e-4)


def rounded_network(network):
    """The network with its matrices, and the inputs of the layers' matrices, rounded to 8-bit floats."""
    found = copy.deepcopy(network)
    for module in found.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight = torch.nn.Parameter(quantize_to_fp8(module.weight.detach()).dequantized(torch.float32))
    for layer in found.layers:
        for linear in (layer.qkv, layer.out, layer.gate_up, layer.down):
            linear.register_forward_pre_hook(
                lambda _, x: (quantize_to_fp8(x[0].flatten(0, -2)).dequantized(torch.float32).view_as(x[0]),)
            )
    return found


@pytest.mark.parametrize(("rows", "narrow"), [(6, True), (7, False)])
def test_activations_are_quantized_from_the_configured_number_of_rows(rows, narrow):
    network = model(7, layers=2, hidden=64, intermediate=64, head_dim=32)
    weights = read_kernel_weights(network, Precision("fp8-w8a8", w8a8_rows=rows))
    cache, other = (KVCache(network.config, 2, 16, torch.float32, "cpu") for _ in range(2))
    state = new_decoding_state(2, 3, 1, 1, 1, "cpu")
    state.tokens.copy_(torch.tensor([[5, MASK, 9], [7, 8, MASK]]))
    state.length.fill_(3)
    state.done.zero_()
    state.live.fill_(2)
    buffers = new_step_buffers(weights, cache, 3, 3, (MASK,))
    write_step_input(state, buffers.step_input, block_length=0, shift=False, autoregressive=False)
    forward(weights, buffers, cache, state.live)
    inputs = [RowInput(0, tokens, [2] * 3) for tokens in state.tokens.tolist()]
    expected = forward_rows(rounded_network(network), inputs, other)
    error = (buffers.normed.view(2, 3, -1) - expected).norm() / expected.norm()
    assert (error < 1e-3) == narrow, "as if activations were rounded otherwise"


@pytest.mark.parametrize(
    ("attention", "shift", "rule"),
    [("causal", False, "threshold"), ("block_causal", False, "entropy-bounded"), ("causal", True, "dynamic")],
)
def test_denoising_equals_that_of_pytorch(attention, shift, rule):
    network = model(3, attention=attention, shift=shift)
    chosen = find_rule(rule, threshold=0.5, steps=3, block_length=4)
    how = DenoisingSettings(chosen, 4, GREEDY, aligned=attention == "block_causal", first_token_alone=shift)
    mine, theirs = ([new_row(prompt, 6 + number) for number, prompt in enumerate(PROMPTS)] for _ in range(2))
    denoise(network, mine, how, Engine(network))
    denoise(network, theirs, how)
    same(mine, theirs)
    assert [row.forward_passes for row in mine] == [row.forward_passes for row in theirs]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_decodes_a_row_as_in_pytorch(rule):
    network = model(5)
    how = DenoisingSettings(find_rule(rule, threshold=0.6, steps=3, block_length=5), 5, GREEDY, sub_block=3)
    mine, theirs = new_row([5, 9, 30], 7), new_row([5, 9, 30], 7)
    denoise(network, [mine], how, Engine(network))
    denoise(network, [theirs], how)
    same([mine], [theirs])
    assert mine.forward_passes == theirs.forward_passes


def test_a_session_is_reused_for_the_next_batch_and_replaced_for_other_settings():
    network = model(1)
    engine = Engine(network)
    how = DenoisingSettings(find_rule("threshold", threshold=0.5, steps=4, block_length=4), 4, GREEDY)
    for prompts in (PROMPTS, PROMPTS[::-1]):
        mine, theirs = ([new_row(prompt, 5) for prompt in prompts] for _ in range(2))
        denoise(network, mine, how, engine)
        denoise(network, theirs, how)
        same(mine, theirs)
    mine, theirs = new_row(PROMPTS[0], 3), new_row(PROMPTS[0], 3)
    decode_autoregressively(network, [mine], GREEDY, engine)
    decode_autoregressively(network, [theirs], GREEDY)
    same([mine], [theirs])


def test_a_stop_sequence_checked_by_the_host_ends_the_row():
    network = model(2)
    how = DenoisingSettings(find_rule("threshold", threshold=2.0, steps=4, block_length=4), 4, GREEDY)
    whole = new_row([5, 9], 4)
    denoise(network, [whole], how)
    stop = whole.stop_checker.kept_text_and_token_count()[0][1]
    mine, theirs = (new_row([5, 9], 4, stops=(stop,)) for _ in range(2))
    denoise(network, [mine], how, Engine(network))
    denoise(network, [theirs], how)
    assert (mine.output, mine.stop_checker.kept_text_and_token_count(), mine.steps) == (
        theirs.output,
        theirs.stop_checker.kept_text_and_token_count(),
        theirs.steps,
    )
    assert mine.forward_passes >= theirs.forward_passes


def test_autoregressive_decoding_equals_that_of_pytorch():
    network = model(4)
    mine, theirs = ([new_row(prompt, 2 + 16 * number) for number, prompt in enumerate(PROMPTS)] for _ in range(2))
    decode_autoregressively(network, mine, GREEDY, Engine(network))
    decode_autoregressively(network, theirs, GREEDY)
    assert [(row.output, row.steps) for row in mine] == [(row.output, row.steps) for row in theirs]
    assert [row.forward_passes for row in mine] == [row.forward_passes for row in theirs]
    assert all(END not in row.output for row in mine)


def test_unsupported_settings_are_decoded_by_pytorch():
    network = model(6)
    engine = Engine(network)
    drawn = replace(GREEDY, temperature=0.9)
    nucleus = replace(drawn, top_p=0.9)
    assert engine.supports(drawn)
    assert not engine.supports(nucleus)
    rules = (find_rule(name, threshold=0.5, steps=4, block_length=4) for name in ("margin", "editing", "threshold"))
    margin, editing, sure = (DenoisingSettings(rule, 4, drawn) for rule in rules)
    assert not engine.supports(GREEDY, editing)
    assert engine.supports(drawn, sure)
    assert engine.supports(GREEDY, replace(sure, rule_sees_temperature=True))
    assert not engine.supports(drawn, replace(sure, rule_sees_temperature=True))
    assert engine.supports(GREEDY, margin)
    assert not engine.supports(drawn, margin)
    mine, theirs = new_row([5, 9], 4, seed=1), new_row([5, 9], 4, seed=1)
    decode_autoregressively(network, [mine], nucleus, engine)
    decode_autoregressively(network, [theirs], nucleus)
    assert mine.output == theirs.output
