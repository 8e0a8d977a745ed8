"""Paired tests against closed forms and exact enumeration, and by their level and power in simulations."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evalharness.metrics.paired_tests import (
    adjust_p_values_by_holm,
    detectable_difference,
    is_noninferior,
    mcnemar_p_value,
    mean_difference_interval,
    paired_difference,
    sign_flip_p_value,
)

HUMANEVAL = 164


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_binomial_test_of_the_changed_problems(worse: int, better: int) -> None:
    expected = binomtest(worse, worse + better).pvalue if worse + better else 1.0
    assert mcnemar_p_value(worse, better) == pytest.approx(expected)
    assert mcnemar_p_value(worse, better) == pytest.approx(mcnemar_p_value(better, worse))


def outcomes(rng: np.random.Generator, effect: float, problems: int = HUMANEVAL) -> tuple[list[float], list[float]]:
    """Outcomes of two runs whose true rates differ by `effect`; on a quarter of the problems they may differ."""
    kind = rng.random(problems)
    worse, better = 0.125 - effect / 2, 0.125 + effect / 2
    first = np.where(kind < worse, 1.0, np.where(kind < worse + better, 0.0, np.where(kind < 0.7, 1.0, 0.0)))
    second = np.where(kind < worse, 0.0, np.where(kind < worse + better, 1.0, np.where(kind < 0.7, 1.0, 0.0)))
    return first.tolist(), second.tolist()


def test_the_paired_test_keeps_its_level_and_the_interval_its_coverage() -> None:
    rng = np.random.default_rng(11)
    differences = [paired_difference(*outcomes(rng, 0.0)) for _ in range(600)]
    assert np.mean([difference.p < 0.05 for difference in differences]) <= 0.06
    assert 0.93 <= np.mean([low <= 0.0 <= high for low, high in (each.ci95 for each in differences)]) <= 0.985


def test_the_exact_level_of_the_paired_test_never_exceeds_5_percent() -> None:
    """For each number of changed problems: the probability of p < 0.05 where both directions are as likely."""
    for changed in range(1, 80):
        level = sum(
            binomtest(better, changed).pvalue < 0.05 and 0.5**changed * comb(changed, better)
            for better in range(changed + 1)
        )
        assert level <= 0.05
        assert (mcnemar_p_value(0, changed) < 0.05) == (changed >= 6)


def test_the_detectable_difference_is_detected_with_80_percent_power() -> None:
    rng = np.random.default_rng(5)
    first, second = outcomes(rng, 0.0, 20_000)
    effect = detectable_difference(np.asarray(second) - np.asarray(first)) * (20_000 / HUMANEVAL) ** 0.5
    assert effect == pytest.approx(2.8 * 0.5 / HUMANEVAL**0.5, rel=0.03)
    detected = np.mean([paired_difference(*outcomes(rng, effect)).p < 0.05 for _ in range(600)])
    assert 0.72 <= detected <= 0.86


def test_equal_outcomes_still_have_an_interval_and_a_detectable_difference() -> None:
    difference = paired_difference([1.0] * 20, [1.0] * 20)
    assert (difference.value, difference.p) == (0.0, 1.0)
    assert difference.ci95[0] < -0.1
    assert difference.ci95[1] > 0.1
    assert difference.detectable == pytest.approx(6 / 20)


def by_enumeration(differences: list[float]) -> float:
    """The p-value of the sign-flip test over all sign patterns."""
    observed = abs(sum(differences)) - 1e-9
    sums = [abs(float(np.dot(signs, differences))) for signs in product((-1, 1), repeat=len(differences))]
    return float(np.mean([value >= observed for value in sums]))


@given(st.lists(st.sampled_from([-1.0, -0.4, -0.2, 0.0, 0.2, 0.6]), min_size=1, max_size=9))
def test_the_sign_flip_test_of_few_problems_is_exact(differences: list[float]) -> None:
    assert sign_flip_p_value(np.asarray(differences)) == pytest.approx(by_enumeration(differences))


@pytest.mark.parametrize("seed", range(4))
def test_the_sign_flip_test_of_many_problems_agrees_with_all_patterns_drawn_at_random(seed: int) -> None:
    """Within three standard errors of two estimates from 9999 and 40,000 patterns."""
    rng = np.random.default_rng(seed)
    differences = rng.choice([-0.2, 0.0, 0.1, 0.3], 40)
    sums = np.abs(rng.choice((-1.0, 1.0), (40_000, differences.size)) @ differences)
    expected = (np.sum(sums >= abs(differences.sum()) - 1e-9) + 1) / 40_001
    error = (expected * (1 - expected) * (1 / 9999 + 1 / 40_000)) ** 0.5
    assert sign_flip_p_value(differences) == pytest.approx(expected, abs=3 * error)
    assert sign_flip_p_value(differences) == sign_flip_p_value(differences)


def test_shares_of_samples_are_tested_by_flipping_signs() -> None:
    differences = np.random.default_rng(2).choice([-0.2, 0.0, 0.1, 0.3], 40)
    assert paired_difference(np.zeros(40), differences).test == "sign-flip permutation"
    assert sign_flip_p_value(np.zeros(5)) == 1.0


def test_the_sign_flip_test_of_binary_outcomes_is_mcnemars() -> None:
    differences = np.array([1.0] * 14 + [-1.0] * 4 + [0.0] * 30)
    assert sign_flip_p_value(differences) == pytest.approx(mcnemar_p_value(4, 14), abs=0.01)


def test_the_interval_of_a_difference_contains_it_and_changes_sign_with_it() -> None:
    differences = np.array([1.0] * 9 + [-1.0] * 3 + [0.0] * 88)
    low, high = mean_difference_interval(differences)
    assert low < 0.06 < high
    assert mean_difference_interval(-differences) == pytest.approx((-high, -low), abs=0.011)


def test_noninferiority_needs_the_whole_interval() -> None:
    same = paired_difference([1.0, 0.0] * 250, [1.0, 0.0] * 250)
    assert is_noninferior(same, 0.02)
    assert not is_noninferior(paired_difference([1.0] * 30, [1.0] * 30), 0.02)
    with pytest.raises(ValueError, match="greater than 0"):
        is_noninferior(same, 0.0)


def test_different_problems_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same problems"):
        paired_difference([1.0], [1.0, 0.0])


def test_holm() -> None:
    assert adjust_p_values_by_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_p_values_by_holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = adjust_p_values_by_holm(p_values)
    assert all(after >= before for after, before in zip(adjusted, p_values, strict=True))
    assert all(
        after <= min(1.0, before * len(p_values)) + 1e-12 for after, before in zip(adjusted, p_values, strict=True)
    )
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.asarray(adjusted)[order]) >= 0)
