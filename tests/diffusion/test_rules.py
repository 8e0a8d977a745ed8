"""The choice of each rule on small examples, and properties of all rules."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalharness.diffusion.decoding import compute_token_statistics
from evalharness.diffusion.rules import (
    RULES,
    BlockPredictions,
    choose_positions_by_entropy_bound,
    choose_positions_by_factor,
    choose_positions_by_threshold,
    choose_positions_dynamically,
    choose_positions_with_editing,
    find_rule,
    make_even_schedule,
    make_linear_schedule,
)


def blocks(probability: list[list[float]], masked: list[list[int]] | None = None, **more: Any) -> BlockPredictions:
    probability = torch.tensor(probability)
    given = torch.ones_like(probability) if masked is None else torch.tensor(masked)
    fields: dict[str, Any] = {
        "masked": given.bool(), "proposed": torch.full(probability.shape, 7), "probability": probability,
        "margin": (3 * probability - 1) / 2,
        "entropy": -probability.log(), "tokens": torch.full(probability.shape, 3),
        "editable": torch.ones_like(probability).bool(),
        "initial_masks": given.sum(-1), "step": torch.zeros(len(probability), dtype=torch.long),
    }  # fmt: skip
    return BlockPredictions(**fields | more)


def positions(chosen: torch.Tensor) -> list[list[int]]:
    return [row.nonzero()[:, 0].tolist() for row in chosen]


def test_threshold_commits_confident_masks_and_the_most_confident_one() -> None:
    chosen = choose_positions_by_threshold(blocks([[0.95, 0.2, 0.9, 0.89], [0.1, 0.3, 0.3, 0.2]]), threshold=0.9)
    assert positions(chosen) == [[0, 2], [1]]
    assert positions(choose_positions_by_threshold(blocks([[0.95, 0.2, 0.9]], [[0, 1, 0]]), threshold=0.9)) == [[1]]


def test_factor_commits_as_many_masks_as_the_bound_allows() -> None:
    """(n + 1)(1 - p_n) in the first row, by descending probability: 0.02, 0.15, 0.4, 2.5."""
    chosen = choose_positions_by_factor(blocks([[0.9, 0.95, 0.5, 0.99], [0.4, 0.5, 0.3, 0.2]]), bound=0.5)
    assert positions(chosen) == [[0, 1, 3], [1]]
    assert positions(choose_positions_by_factor(blocks([[0.9, 0.95, 0.5, 0.99]]), bound=0.3)) == [[1, 3]]


def test_entropy_bounded_commits_masks_up_to_a_total_entropy() -> None:
    chosen = choose_positions_by_entropy_bound(
        blocks([[0.5] * 4], entropy=torch.tensor([[0.3, 0.1, 2.0, 0.15]])), bound=0.6
    )
    assert positions(chosen) == [[0, 1, 3]]
    chosen = choose_positions_by_entropy_bound(
        blocks([[0.5] * 4], entropy=torch.tensor([[0.9, 0.8, 2.0, 0.7]])), bound=0.6
    )
    assert positions(chosen) == [[3]]


def test_dynamic_commits_all_confident_masks_if_they_are_enough() -> None:
    chosen = choose_positions_dynamically(
        blocks([[0.95, 0.2, 0.9, 0.99], [0.95, 0.2, 0.9, 0.3]]), threshold=0.85, steps=2, schedule_length=4
    )
    assert positions(chosen) == [[0, 2, 3], [0, 2]]
    assert positions(
        choose_positions_dynamically(blocks([[0.95, 0.2, 0.7, 0.3]]), threshold=0.85, steps=2, schedule_length=4)
    ) == [[0, 2]]


def test_editing_replaces_tokens_outside_the_prompt() -> None:
    state = blocks(
        [[0.99, 0.99, 0.99, 0.5, 0.99]], [[0, 0, 0, 0, 1]],
        proposed=torch.tensor([[7, 3, 7, 7, 7]]), editable=torch.tensor([[True, True, False, True, True]]),
    )  # fmt: skip
    assert positions(choose_positions_with_editing(state, threshold=0.9, edit_threshold=0.9)) == [[0, 4]]


def test_schedules_are_those_of_llada_and_dream() -> None:
    assert make_even_schedule(10, 4) == (3, 3, 2, 2)
    assert make_even_schedule(3, 8) == (1, 1, 1)
    counts, left, times = [], 32, torch.linspace(1, 1e-3, 17)
    for step in range(16):
        counts.append(int(left * (1 - times[step + 1] / times[step])) if step < 15 else left)
        left -= counts[-1]
    assert make_linear_schedule(32, 16) == tuple(count for count in counts if count)
    for masks, steps in ((32, 32), (5, 64), (64, 1)):
        assert sum(make_linear_schedule(masks, steps)) == sum(make_even_schedule(masks, steps)) == masks
        assert min(make_linear_schedule(masks, steps)) > 0


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
def test_properties_of_all_rules(name: str, data: st.DataObject) -> None:
    """Every block with a mask gets at least one commit; only editing changes other positions; padding never changes."""
    rows, size = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 9))
    seed = data.draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows * size, 12, generator=generator) * data.draw(st.sampled_from([0.0, 1.0, 20.0]))
    masked = torch.rand(rows, size, generator=generator) < 0.6
    proposed = logits.argmax(-1)
    statistics = compute_token_statistics(logits, proposed, True)
    probability, margin, entropy = (values.view(rows, size) for values in statistics)
    proposed = proposed.view(rows, size)
    masks = masked.sum(-1) + 1
    state = blocks(
        probability.tolist(), masked.tolist(), proposed=proposed, margin=margin, entropy=entropy,
        initial_masks=masks, editable=masked,
        step=torch.randint(0, 5, (rows,), generator=generator),
    )  # fmt: skip
    rule = find_rule(
        name,
        threshold=data.draw(st.sampled_from([0.0, 0.5, 0.9, 2.0])),
        steps=data.draw(st.integers(1, 12)),
        block_length=9,
    )
    chosen = rule.choose(state)
    assert torch.equal(chosen.any(-1), masked.any(-1))
    assert not (chosen & ~masked).any()


def test_statistics_equal_those_of_the_distribution() -> None:
    logits = torch.randn(6, 40, generator=torch.Generator().manual_seed(1)) * 3
    probabilities = logits.softmax(-1)
    ordered = probabilities.sort(-1, descending=True).values
    top = logits.argmax(-1)
    probability, margin, entropy = compute_token_statistics(logits.clone(), top, True)
    torch.testing.assert_close(probability, ordered[:, 0])
    torch.testing.assert_close(margin, ordered[:, 0] - ordered[:, 1])
    torch.testing.assert_close(entropy, -(probabilities * probabilities.log()).sum(-1))
    torch.testing.assert_close(compute_token_statistics(logits.clone(), top, False)[0], probability)
    other = torch.zeros(6, dtype=torch.long)
    torch.testing.assert_close(compute_token_statistics(logits.clone(), other, False)[0], probabilities[:, 0])
