"""The network's attention, its cache, and its checkpoint folders."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.tiny_network import causal_mask, tiny_config, tiny_model

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.checkpoints.folder import (
    dequantize_weights,
    load_checkpoint,
    quantize_weights,
    save_checkpoint,
)
from evalharness.diffusion.config import read_config, write_config
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError


def draw(*shape: int) -> torch.Tensor:
    return torch.randint(3, 40, shape, generator=torch.Generator().manual_seed(7))


def test_causal_attention_ignores_later_tokens_and_bidirectional_attention_does_not() -> None:
    model, tokens, positions = tiny_model(), draw(1, 12), torch.arange(12)[None]
    changed = tokens.clone()
    changed[0, 9] = (tokens[0, 9] + 1) % 40
    for mask, equal in ((causal_mask(12), True), (None, False)):
        first, second = model(tokens, positions, mask)[:, :9], model(changed, positions, mask)[:, :9]
        assert torch.equal(first, second) == equal


def test_attention_depends_on_distances_and_not_on_positions() -> None:
    model, tokens, positions = tiny_model(), draw(1, 12), torch.arange(12)[None]
    torch.testing.assert_close(model(tokens, positions), model(tokens, positions + 100), rtol=1e-4, atol=1e-4)
    assert (model(tokens, positions) - model(tokens, positions * 2)).abs().max() > 1e-2


def test_cached_segments_of_different_lengths_equal_one_full_pass() -> None:
    """Including a row whose end was dropped and written again."""
    model, tokens = tiny_model(), draw(2, 20)
    whole = model(tokens, torch.arange(20)[None], causal_mask(20))
    cache = KVCache(model.config, 2, 32, torch.float32, "cpu")
    starts = torch.tensor([0, 0])
    for sizes in ((7, 4), (5, 6), (1, 3)):
        size = max(sizes)
        positions = starts[:, None] + torch.arange(size)
        given = torch.where(torch.arange(size) < torch.tensor(sizes)[:, None], tokens.gather(1, positions), 39)
        cache.set_write_slots(starts.tolist(), size)
        mask = torch.arange(int(starts.max()) + size) <= positions[:, :, None]
        found = model(given, positions, mask[:, None], cache)
        for row, length in enumerate(sizes):
            expected = whole[row, starts[row] : starts[row] + length]
            torch.testing.assert_close(found[row, :length], expected, rtol=1e-4, atol=1e-5)
        starts += torch.tensor(sizes)
        starts[1] -= 2
    assert starts.tolist() == [13, 7]


def test_kept_rows_continue_in_their_new_order() -> None:
    model, tokens, positions = tiny_model(), draw(3, 9), torch.arange(9)[None]
    cache = KVCache(model.config, 3, 9, torch.float32, "cpu")
    cache.set_write_slots([0, 0, 0], 8)
    model(tokens[:, :8], positions[:, :8], causal_mask(8), cache)
    cache.keep_rows([2, 0])
    cache.set_write_slots([8, 8], 1)
    assert (cache.row_count, cache.capacity) == (2, 9)
    found = model(tokens[[2, 0], 8:], positions[:, 8:], None, cache)
    torch.testing.assert_close(found, model(tokens[[2, 0]], positions, causal_mask(9))[:, 8:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_network_loads_unchanged(tmp_path: Path, tied: bool) -> None:
    model, tokens, positions = tiny_model(tied=tied), draw(1, 9), torch.arange(9)[None]
    save_checkpoint(model, tmp_path, quantized=False)
    again = load_checkpoint(tmp_path)
    assert again.config == model.config
    assert torch.equal(again.logits(again(tokens, positions)), model.logits(model(tokens, positions)))
    assert sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in model.parameters())
    assert load_checkpoint(tmp_path, torch.bfloat16)(tokens, positions).dtype == torch.bfloat16
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1  # all files have the same permissions


def test_eight_bit_weights_are_rounded_to_nearest(tmp_path: Path) -> None:
    state = {"m": torch.randn(5, 30), "v": torch.randn(7), "zero": torch.zeros(2, 3)}
    again = dequantize_weights(quantize_weights(state))
    assert torch.equal(again["v"], state["v"])
    assert torch.equal(again["zero"], state["zero"])
    step = state["m"].abs().amax(1, keepdim=True) / 127
    assert ((again["m"] - state["m"]).abs() <= step * 0.5001).all()
    save_checkpoint(tiny_model(), tmp_path / "small", quantized=True)
    save_checkpoint(tiny_model(), tmp_path / "large", quantized=False)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("small", "large")]
    assert sizes[0] < sizes[1] / 2
    assert load_checkpoint(tmp_path / "small").config == tiny_config()


def test_incomplete_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json cannot be read: .*; give --model a checkpoint folder"):
        load_checkpoint(tmp_path)
    write_config(tiny_config(), tmp_path)
    assert read_config(tmp_path) == tiny_config()
    with pytest.raises(UserError, match=r"model\.safetensors cannot be read: .*"):
        load_checkpoint(tmp_path)
    save_checkpoint(Transformer(replace(tiny_config(), layers=1)), tmp_path, quantized=True)
    write_config(tiny_config(), tmp_path)
    with pytest.raises(UserError, match=r"do not fit the model's configuration \(.*layers\.1"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(UserError, match="has model_type 'llama'"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "evalharness-diffusion", "heads": 3}))
    with pytest.raises(UserError, match=r"config\.json is not a valid network configuration"):
        read_config(tmp_path)
    with pytest.raises(UserError, match="3 attention heads and 2 key-value heads"):
        tiny_config(heads=3)
