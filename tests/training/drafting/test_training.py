"""Training of a drafter for a tiny target: it learns, and resumes exactly; its acceptance is that of decoding."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_network import new_row, tiny_model

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import forward_rows, make_causal_input
from evalharness.diffusion.rows import Sampler
from evalharness.training.drafting.acceptance import simulate_speculative_decoding
from evalharness.training.drafting.features import (
    TOP,
    ComputedFeatureSource,
    StoredFeatureSource,
    compute_features,
    find_most_probable_tokens,
    write_features,
)
from evalharness.training.drafting.recipe import DrafterRecipe
from evalharness.training.drafting.shards import TrainingText, write_shard
from evalharness.training.drafting.trainer import DrafterTrainer, choose_draft_vocabulary, make_drafter

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
def store(tmp_path: Path) -> StoredFeatureSource:
    """Eight texts that the tiny target wrote."""
    target = tiny_model(3)
    rows = [new_row([4 + number, 9, 30 - number], limit=40, seed=number) for number in range(8)]
    decode_autoregressively(target, rows, Sampler(temperature=1.0))
    texts = [TrainingText("completion", tuple(row.prompt), tuple(row.text[len(row.prompt) :])) for row in rows]
    write_shard(tmp_path, 0, texts[:5])
    write_shard(tmp_path, 1, texts[5:])
    for number, part in enumerate((texts[:5], texts[5:])):
        with HiddenStateRecorder(target, TAPS) as recorder:
            write_features(tmp_path, number, [compute_features(text, target, recorder) for text in part], TAPS)
    return StoredFeatureSource(tmp_path, tmp_path)


def trainer(store: StoredFeatureSource, steps: int, out: Path) -> DrafterTrainer:
    target, given = tiny_model(3), recipe(steps)
    return DrafterTrainer(given, make_drafter(given, target, frozenset({1}), store), target, store, out)


def test_store_returns_each_texts_features(store: StoredFeatureSource) -> None:
    target = tiny_model(3)
    assert len(store) == 8
    for number in range(8):
        features = store[number]
        assert features.states.shape == (len(features.text.tokens), 64)
        hidden = forward_rows(target, [make_causal_input(0, features.text.tokens)], None)[0]
        first = len(features.text.prompt) - 1
        expected = target.logits(hidden[first:-1]).softmax(-1).gather(1, features.ids)
        torch.testing.assert_close(features.probabilities, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [10, 128, 1000, 151_936])
def test_top_tokens_are_those_of_a_whole_sort(size: int) -> None:
    logits = 3 * torch.randn(5, size, generator=torch.Generator().manual_seed(size))
    ids, probabilities = find_most_probable_tokens(logits)
    expected = logits.softmax(-1).topk(min(TOP, size), dim=-1)
    assert torch.equal(ids.long(), expected.indices)
    torch.testing.assert_close(probabilities.float(), expected.values, rtol=2e-3, atol=1e-6)


def test_drafter_learns_texts_that_it_can_memorize(store: StoredFeatureSource, tmp_path: Path) -> None:
    run = trainer(store, 240, tmp_path / "run")
    run.held_out = run.texts
    before, _ = run.measure_acceptance_length_and_rates()
    run.run(lambda: False, lambda _: None)
    after, shares = run.measure_acceptance_length_and_rates()
    assert before < 1.3
    assert after >= 2
    assert shares == sorted(shares, reverse=True)
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
    assert (tmp_path / "run" / "training.png").exists()


def test_features_read_again_are_those_of_the_store(store: StoredFeatureSource, tmp_path: Path) -> None:
    live = ComputedFeatureSource(tmp_path, tiny_model(3), TAPS)
    numbers = [6, 0, 3]
    assert len(live) == len(store)
    for stored, read in zip(store.fetch(numbers), live.fetch(numbers), strict=True):
        assert read.text == stored.text == live.text(numbers.pop(0))
        torch.testing.assert_close(read.states, stored.states, rtol=0.01, atol=0.01)
        torch.testing.assert_close(read.probabilities, stored.probabilities, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("changes", [{"bfloat16": True}, pytest.param({"optimizer": "muon"}, marks=pytest.mark.slow)])
def test_recipes_for_a_gpu_learn_too(store: StoredFeatureSource, tmp_path: Path, changes: dict[str, Any]) -> None:
    target, given = tiny_model(3), recipe(60)
    given = given.model_copy(update={"optimization": given.optimization.model_copy(update=changes)})
    live = ComputedFeatureSource(tmp_path, target, TAPS)
    run = DrafterTrainer(given, make_drafter(given, target, frozenset({1}), live), target, live, tmp_path / "run")
    run.run(lambda: False, lambda _: None)
    assert run.log[-1].cross_entropy < 0.7 * run.log[0].cross_entropy


def test_drafter_starts_from_layers_of_its_target(store: StoredFeatureSource) -> None:
    target, given = tiny_model(3), recipe(1)
    shape = given.drafter.model_copy(update={"start": (0, 1), "intermediate": 0})
    drafter = make_drafter(given.model_copy(update={"drafter": shape}), target, frozenset({1}), store)
    for own, layer in zip(drafter.layers, target.layers, strict=True):
        for name, value in layer.state_dict().items():
            assert torch.equal(own.state_dict()[name], value), name
    few = given.model_copy(update={"drafter": shape.model_copy(update={"intermediate": 8})})
    down = make_drafter(few, target, frozenset({1}), store).layers[1].down.weight
    kept = [column for column in target.layers[1].down.weight.T if any(torch.equal(column, own) for own in down.T)]
    assert len(kept) == 8


def test_markov_head_starts_from_pairs_of_tokens(store: StoredFeatureSource) -> None:
    given = recipe(1)
    shape = given.drafter.model_copy(update={"rank": 32})
    drafter = make_drafter(given.model_copy(update={"drafter": shape}), tiny_model(3), frozenset({1}), store)
    answers = [(store.text(n).prompt[-1:] + store.text(n).answer) for n in range(len(store))]
    pairs = Counter(pair for answer in answers for pair in itertools.pairwise(answer))
    first = Counter(token for answer in answers for token in answer[:-1]).most_common(1)[0][0]
    follow = {after: count for (before, after), count in pairs.items() if before == first}
    bias = (
        drafter.following(drafter.previous(drafter.draft_vocabulary_indices(torch.tensor(first)))).softmax(-1).detach()
    )
    index = {token: int(drafter.draft_vocabulary_indices(torch.tensor(token))) for token in follow}
    seen = sum(float(bias[number]) for number in index.values() if number < 32)
    assert seen > 0.8
    best = max(follow, key=lambda token: follow[token])
    assert float(bias[index[best]]) > 0.5 * follow[best] / sum(follow.values())


def test_stopped_training_goes_on_as_if_it_had_not_been(store: StoredFeatureSource, tmp_path: Path) -> None:
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


def test_draft_vocabulary_has_ends_frequent_tokens_and_low_ids(store: StoredFeatureSource) -> None:
    ids = choose_draft_vocabulary(store, 30, 40, frozenset({39}))
    used = Counter(token for number in range(8) for token in store.text(number).answer)
    common = [token for token, _ in used.most_common(20)]
    assert len(ids) == 30
    assert ids == sorted(ids)
    assert {39, *common} <= set(ids)
    unused = choose_draft_vocabulary(store, 0, 80, frozenset({39}))
    assert unused == list(range(80))


def test_simulated_decoding_counts_the_targets_own_tokens() -> None:
    text = TrainingText("chat", (1, 2), (3, 4, 5, 6, 7))
    perfect = simulate_speculative_decoding(text, lambda position: text.tokens[position + 1 : position + 4], 3)
    assert (perfect.passes, perfect.tokens, perfect.by_position) == (2, 5, (1, 1, 1))
    nothing = simulate_speculative_decoding(text, lambda _: [], 3)
    assert nothing.acceptance_length == 1
    one = simulate_speculative_decoding(text, lambda position: [text.tokens[position + 1], 0], 3)
    assert one.passes == 3
