"""Draft and verify against plain decoding: token for token, batched as one by one, greedy and sampled."""

from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from helpers.drafters import tiny_drafter
from helpers.tiny_network import END, MASK, new_row, tiny_model, tiny_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.drafting.costs import (
    AcceptanceTracker,
    ForwardPassCosts,
    load_or_measure_forward_pass_costs,
    measure_forward_pass_costs,
)
from evalharness.diffusion.drafting.decoding import draft_and_verify
from evalharness.diffusion.drafting.lookup import NgramLookup
from evalharness.diffusion.drafting.packing import pack_linear_layers
from evalharness.diffusion.drafting.proposals import DraftingSettings, DraftProposer
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.generation.stopping import Detokenizer

PROMPTS = [[5, 9, 30], [7] * 11 + [8], [12, 33, 4, 4, 21, 12, 33, 4], [3]]
CHEAP = ForwardPassCosts((1, 64), (1.0, 1.2), 0.05)


def made_rows(count: int, limit: int, seed: int | None, stops: tuple[str, ...] = ()) -> list[Row]:
    return [
        new_row(prompt, limit=limit + 3 * number, stops=stops, seed=None if seed is None else seed + number)
        for number, prompt in enumerate(PROMPTS[:count])
    ]


def ways(target: Transformer, block: int, costs: ForwardPassCosts | None = None) -> dict[str, DraftingSettings]:
    drafter = tiny_drafter(target, block=block)
    return {
        "lookup": DraftingSettings(lookup=True, costs=costs),
        "drafter": DraftingSettings(drafter, costs=costs),
        "hybrid": DraftingSettings(drafter, lookup=True, costs=costs),
    }


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 20),
    way=st.sampled_from(["lookup", "drafter", "hybrid"]),
    block=st.integers(1, 6),
    count=st.integers(1, 4),
    temperature=st.sampled_from([0.0, 0.3, 1.0]),
    top_p=st.sampled_from([1.0, 0.8]),
    costs=st.sampled_from([None, CHEAP]),
)
def test_text_is_that_of_plain_decoding(
    seed: int, way: str, block: int, count: int, temperature: float, top_p: float, costs: ForwardPassCosts | None
) -> None:
    target, sampler = tiny_model(seed), Sampler(temperature, top_p, banned=(MASK,))
    plain, drafted = (made_rows(count, 12, seed if temperature else None) for _ in range(2))
    decode_autoregressively(target, plain, sampler)
    draft_and_verify(target, drafted, sampler, ways(target, block, costs)[way])
    assert [row.text for row in drafted] == [row.text for row in plain]
    assert [row.output for row in drafted] == [row.output for row in plain]
    for row in drafted:
        assert row.drafts is not None
        assert [draft.forward_pass for draft in row.drafts] == list(range(row.forward_passes))
        # Where an accepted draft ends the row, the target's own token is not taken.
        tokens = sum(1 + draft.accepted for draft in row.drafts)
        assert tokens - 1 <= len(row.text) - len(row.prompt) <= tokens
        for draft in row.drafts:
            end = len(row.prompt) + draft.position + draft.accepted
            assert list(draft.tokens[: draft.accepted]) == row.text[end - draft.accepted : end]
        assert row.forward_passes <= len(row.text) - len(row.prompt)


@pytest.mark.parametrize("way", ["lookup", "drafter", "hybrid"])
def test_stop_sequences_end_rows_at_the_same_token(way: str) -> None:
    target, sampler = tiny_model(5), Sampler(banned=(MASK,))
    free = made_rows(4, 20, None)
    decode_autoregressively(target, free, sampler)
    stop = Detokenizer(tiny_tokenizer()).decode(free[2].output[4:6])
    plain, drafted = (made_rows(4, 20, None, (stop,)) for _ in range(2))
    decode_autoregressively(target, plain, sampler)
    draft_and_verify(target, drafted, sampler, ways(target, 4)[way])
    assert [row.stop_checker.kept_text_and_token_count() for row in drafted] == [
        row.stop_checker.kept_text_and_token_count() for row in plain
    ]
    assert len(plain[2].output) < len(free[2].output)


def test_lookup_saves_passes_on_text_that_repeats() -> None:
    target = tiny_model(2)
    # A network that repeats itself: greedy texts of tiny networks run into cycles.
    rows = made_rows(3, 60, None)
    draft_and_verify(target, rows, Sampler(banned=(MASK, END)), DraftingSettings(lookup=True))
    assert all(row.forward_passes < 0.6 * len(row.output) for row in rows)


def test_perfect_drafts_are_all_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    target, sampler = tiny_model(4), Sampler(banned=(MASK, END))
    plain = made_rows(1, 24, None)
    decode_autoregressively(target, plain, sampler)
    text = plain[0].text

    def propose(self: NgramLookup, count: int) -> tuple[list[int], int]:
        return text[len(self._text) : len(self._text) + count], 3

    monkeypatch.setattr(NgramLookup, "propose", propose)
    rows = made_rows(1, 24, None)
    draft_and_verify(target, rows, sampler, DraftingSettings(lookup=True))
    assert rows[0].text == text
    assert [draft.accepted for draft in rows[0].drafts or ()] == [7, 7, 7]


def test_threshold_below_one_accepts_more_and_one_is_exact() -> None:
    target, sampler = tiny_model(6), Sampler(banned=(MASK, END))
    passes = {}
    for threshold in (1.0, 0.5, 0.01, 1e-9, 0.0):
        rows = made_rows(4, 40, None)
        drafter = tiny_drafter(target)
        draft_and_verify(target, rows, sampler, DraftingSettings(drafter, threshold=threshold))
        passes[threshold] = sum(row.forward_passes for row in rows)
    assert passes[1.0] >= passes[0.5] >= passes[0.01] >= passes[1e-9] >= passes[0.0]
    assert passes[1e-9] < passes[1.0]


def test_sampled_distribution_is_that_of_plain_sampling() -> None:
    target, sampler = tiny_model(8), Sampler(temperature=1.0, banned=(MASK,))

    def counts(way: DraftingSettings | None, first: int) -> Counter[tuple[int, ...]]:
        rows = [new_row([5, 9, 30], limit=3, seed=first + number) for number in range(1500)]
        if way is None:
            decode_autoregressively(target, rows, sampler)
        else:
            draft_and_verify(target, rows, sampler, way)
        return Counter(tuple(row.output[:2]) for row in rows)

    plain, drafted = counts(None, 0), counts(ways(target, 3)["hybrid"], 10_000)
    common = [key for key, count in (plain + drafted).most_common() if count >= 20]
    table = [[*(found[key] for key in common), 1500 - sum(found[key] for key in common)] for found in (plain, drafted)]
    assert len(common) >= 5
    assert chi2_contingency(table).pvalue > 0.001


def test_lookup_finds_the_latest_and_longest_match() -> None:
    lookup = NgramLookup()
    lookup.append_tokens([1, 2, 3, 4, 9, 2, 3, 5, 6, 1, 2, 3])
    assert lookup.propose(2) == ([4, 9], 3)
    lookup.append_tokens([5, 8, 2, 3])
    assert lookup.propose(9) == ([5, 8, 2, 3], 2)
    lookup.append_tokens([9])
    assert lookup.propose(2) == ([2, 3], 1)
    lookup.append_tokens([40])
    assert lookup.propose(3) == ([], 0)


def test_each_draft_comes_from_the_source_that_is_expected_to_be_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that is always wrong is left for a drafter that is right, and one that is right is kept."""
    target, sampler = tiny_model(4), Sampler(banned=(MASK, END))
    plain = made_rows(1, 60, None)
    decode_autoregressively(target, plain, sampler)
    text = plain[0].text

    def true_tokens(self: DraftProposer, rows: Sequence[Row]) -> list[list[int]]:
        return [text[len(row.text) : len(row.text) + 4] for row in rows]

    for right in (False, True):

        def propose(self: NgramLookup, count: int, right: bool = right) -> tuple[list[int], int]:
            found = text[len(self._text) : len(self._text) + count]
            return (found if right else [(token + 1) % 40 for token in found]), 2

        monkeypatch.setattr(NgramLookup, "propose", propose)
        monkeypatch.setattr(DraftProposer, "_draft_with_drafter", true_tokens)
        rows = made_rows(1, 60, None)
        drafting = DraftingSettings(tiny_drafter(target, block=4), lookup=True, max_length=7, costs=CHEAP)
        draft_and_verify(target, rows, sampler, drafting)
        assert rows[0].text == text
        sources = Counter(draft.source for draft in rows[0].drafts or ())
        assert sources["lookup" if right else "drafter"] >= 0.5 * rows[0].forward_passes
        assert rows[0].forward_passes <= 24


def best(curve: ForwardPassCosts, probabilities: Sequence[float]) -> int:
    return curve.choose_draft_length(probabilities)[0]


def test_draft_length_follows_costs_and_probabilities() -> None:
    flat, steep = ForwardPassCosts((1, 16), (1.0, 1.1)), ForwardPassCosts((1, 16), (1.0, 16.0))
    assert best(flat, [0.9, 0.8, 0.7, 0.6]) == 4
    assert best(steep, [0.9, 0.8, 0.7]) == 0
    assert best(flat, [0.9, 0.001, 0.001]) == 1
    assert best(flat, []) == 0
    assert flat.verification_seconds(1) == 1.0
    assert flat.verification_seconds(32) == pytest.approx(2.2)


def test_drafting_is_parked_where_it_loses_and_tried_again() -> None:
    target, sampler = tiny_model(7), Sampler(banned=(MASK, END))
    expensive = ForwardPassCosts((1, 64), (1.0, 10.0), 5.0)
    rows = made_rows(1, 60, None)
    draft_and_verify(target, rows, sampler, DraftingSettings(tiny_drafter(target), costs=expensive))
    drafted = [draft for draft in rows[0].drafts or () if draft.source == "drafter"]
    assert len(drafted) <= 4


def test_tracker_counts_only_positions_that_were_reached() -> None:
    tracker = AcceptanceTracker(3, prior=0.5, prior_weight=0.0001)
    for _ in range(10):
        tracker.record_draft(3, 1)
    assert tracker.acceptance_probabilities()[:2] == pytest.approx([1.0, 0.0], abs=1e-3)


def test_costs_are_measured_once(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    target = tiny_model(1, max_length=512)
    first = load_or_measure_forward_pass_costs(target, tiny_drafter(target))
    assert load_or_measure_forward_pass_costs(target, tiny_drafter(target)) == first
    assert all(second > 0 for second in first.seconds)
    assert list(first.seconds) == sorted(first.seconds)
    assert first.draft_s > 0
    assert measure_forward_pass_costs(target, None).draft_s == 0
    assert torch.is_inference_mode_enabled() is False


def test_packed_products_are_the_same_up_to_rounding() -> None:
    target = tiny_model(1)
    states = torch.randn(5, 32)
    before = [target.layers[0].qkv(states), target.logits(states)]
    wide = torch.randn(5, 48)
    down = target.layers[1].down(wide)
    pack_linear_layers(target)
    torch.testing.assert_close(target.layers[0].qkv(states), before[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(target.layers[1].down(wide), down, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(target.logits(states), before[1], rtol=1e-4, atol=1e-5)
    assert not isinstance(target.head, torch.nn.Linear)
    half = tiny_model(1).to(torch.bfloat16)
    pack_linear_layers(half)
    assert isinstance(half.head, torch.nn.Linear)
