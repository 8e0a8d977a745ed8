"""Training of a drafter for a tiny target: it learns, and resumes exactly; its acceptance is that of decoding."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from helpers.tiny_network import new_row, tiny_model

from evalharness.diffusion.autoregression import autoregress
from evalharness.diffusion.forward import causal_segment, forward_segments
from evalharness.diffusion.rows import Sampler
from evalharness.training.drafting.acceptance import simulate
from evalharness.training.drafting.features import FeatureStore, write_features
from evalharness.training.drafting.recipe import DrafterRecipe
from evalharness.training.drafting.shards import Text, write_shard
from evalharness.training.drafting.trainer import DrafterTrainer, draft_vocabulary, new_drafter

TAPS = (0, 1)


def recipe(steps: int) -> DrafterRecipe:
    return DrafterRecipe.model_validate(
        {
            "kind": "drafter", "target": "tiny", "answers": {"held_out": 0}, "features": {"taps": TAPS},
            "drafter": {
                "layers": 2, "block": 4, "vocabulary": 32, "rank": 8, "heads": 4, "kv_heads": 2, "intermediate": 48,
            },
            "optimization": {
                "steps": steps, "texts": 4, "anchors": 16, "rate": 0.01, "log_every": 5, "evaluate_every": 50,
                "cross_entropy": 1.0,
            },
        }
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Eight texts that the tiny target wrote."""
    target = tiny_model(3)
    rows = [new_row([4 + number, 9, 30 - number], limit=40, seed=number) for number in range(8)]
    autoregress(target, rows, Sampler(temperature=1.0))
    texts = [Text("completion", tuple(row.prompt), tuple(row.text[len(row.prompt) :])) for row in rows]
    write_shard(tmp_path, 0, texts[:5])
    write_shard(tmp_path, 1, texts[5:])
    for number, part in enumerate((texts[:5], texts[5:])):
        write_features(tmp_path, number, part, target, TAPS)
    return FeatureStore(tmp_path, tmp_path)


def trainer(store: FeatureStore, steps: int, out: Path) -> DrafterTrainer:
    target, given = tiny_model(3), recipe(steps)
    return DrafterTrainer(given, new_drafter(given, target, frozenset({1}), store), target, store, out)


def test_store_returns_each_texts_features(store: FeatureStore) -> None:
    target = tiny_model(3)
    assert len(store) == 8
    for number in range(8):
        features = store[number]
        assert features.states.shape == (len(features.text.tokens), 64)
        hidden = forward_segments(target, [causal_segment(0, features.text.tokens)], None)[0]
        first = len(features.text.prompt) - 1
        expected = target.logits(hidden[first:-1]).softmax(-1).gather(1, features.ids)
        torch.testing.assert_close(features.probabilities, expected, rtol=1e-3, atol=1e-4)


def test_drafter_learns_texts_that_it_can_memorize(store: FeatureStore, tmp_path: Path) -> None:
    run = trainer(store, 240, tmp_path / "run")
    run.held_out = run.texts
    before, _ = run.measure()
    run.run(lambda: False, lambda _: None)
    after, shares = run.measure()
    assert before < 1.3
    assert after >= 2
    assert shares == sorted(shares, reverse=True)
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
    assert (tmp_path / "run" / "training.png").exists()


def test_stopped_training_goes_on_as_if_it_had_not_been(store: FeatureStore, tmp_path: Path) -> None:
    whole = trainer(store, 12, tmp_path / "whole")
    whole.run(lambda: False, lambda _: None)
    first = trainer(store, 12, tmp_path / "parts")
    first.run(lambda: first.step == 5, lambda _: None)
    second = trainer(store, 12, tmp_path / "parts")
    assert second.resume()
    assert second.step == 5
    second.run(lambda: False, lambda _: None)
    for name, value in whole.drafter.state_dict().items():
        assert torch.equal(second.drafter.state_dict()[name], value), name


def test_draft_vocabulary_has_ends_frequent_tokens_and_low_ids(store: FeatureStore) -> None:
    ids = draft_vocabulary(store, 30, 40, frozenset({39}))
    used = Counter(token for number in range(8) for token in store.text(number).answer)
    common = [token for token, _ in used.most_common(20)]
    assert len(ids) == 30
    assert ids == sorted(ids)
    assert {39, *common} <= set(ids)
    unused = draft_vocabulary(store, 0, 80, frozenset({39}))
    assert unused == list(range(80))


def test_simulated_decoding_counts_the_targets_own_tokens() -> None:
    text = Text("chat", (1, 2), (3, 4, 5, 6, 7))
    perfect = simulate(text, lambda position: text.tokens[position + 1 : position + 4], 3)
    assert (perfect.passes, perfect.tokens, perfect.by_position) == (2, 5, (1, 1, 1))
    nothing = simulate(text, lambda _: [], 3)
    assert nothing.length == 1
    one = simulate(text, lambda position: [text.tokens[position + 1], 0], 3)
    assert one.passes == 3
