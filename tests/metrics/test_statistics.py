"""Intervals and tests against scipy, against closed forms, and against what they promise in simulations."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from evalharness.metrics.statistics import (
    difference_interval,
    holm,
    interval,
    mcnemar,
    mean_interval,
    not_inferior,
    paired_difference,
    ratio_error,
    ratio_interval,
    sign_flip,
    smallest_difference,
    unpaired_gap,
    wilson,
)

HUMANEVAL = 164


@given(st.integers(1, 2000), st.data())
def test_wilson(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.95])
def test_95_percent_intervals_cover_94_to_96_percent_of_10000_draws(rate: float) -> None:
    draws = np.random.default_rng(7).binomial(HUMANEVAL, rate, 10_000)
    ends = {passed: wilson(passed, HUMANEVAL) for passed in set(draws.tolist())}
    covered = np.mean([ends[passed][0] <= rate <= ends[passed][1] for passed in draws.tolist()])
    assert 0.94 <= covered <= 0.96


def test_values_between_have_a_bootstrap_interval_over_problems() -> None:
    values = [0.2, 0.4, 0.9, 1.0, 0.0, 0.5, 0.5, 0.7] * 5
    low, high = interval(values)
    half = 1.96 * float(np.std(values)) / len(values) ** 0.5
    assert (low, high) == pytest.approx((np.mean(values) - half, np.mean(values) + half), abs=0.02)
    assert interval(values) == (low, high)


def test_values_all_alike_are_not_taken_for_certain() -> None:
    low, high = interval([0.5] * 10)
    assert low < 0.3 < 0.7 < high


def test_the_interval_of_many_samples_a_problem_takes_problems_for_the_units() -> None:
    """Twenty samples of a problem that all agree say no more than one of them."""
    draw = np.random.default_rng(3)
    chances, covered = draw.beta(0.3, 0.3, (300, 60)), 0
    for row in chances:
        low, high = interval((draw.binomial(10, row) / 10).tolist())
        covered += low <= 0.5 <= high
    assert 0.91 <= covered / 300 <= 0.98


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_fair_coin_for_each_changed_problem(lost: int, won: int) -> None:
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(expected)
    assert mcnemar(lost, won) == pytest.approx(mcnemar(won, lost))


def outcomes(draw: np.random.Generator, effect: float, problems: int = HUMANEVAL) -> tuple[list[float], list[float]]:
    """Two runs whose rates differ by `effect`; a quarter of the problems are open to both."""
    kind = draw.random(problems)
    lost, won = 0.125 - effect / 2, 0.125 + effect / 2
    one = np.where(kind < lost, 1.0, np.where(kind < lost + won, 0.0, np.where(kind < 0.7, 1.0, 0.0)))
    two = np.where(kind < lost, 0.0, np.where(kind < lost + won, 1.0, np.where(kind < 0.7, 1.0, 0.0)))
    return one.tolist(), two.tolist()


def test_the_paired_test_keeps_its_level_and_the_interval_its_promise() -> None:
    draw = np.random.default_rng(11)
    found = [paired_difference(*outcomes(draw, 0.0)) for _ in range(600)]
    assert np.mean([one.p < 0.05 for one in found]) <= 0.06
    assert 0.93 <= np.mean([one.ci95[0] <= 0.0 <= one.ci95[1] for one in found]) <= 0.985


def test_the_exact_level_of_the_paired_test_never_exceeds_5_percent() -> None:
    """For each number of changed problems: the chance of a p below 0.05 if both directions are as likely."""
    for changed in range(1, 80):
        chance = sum(
            binomtest(won, changed).pvalue < 0.05 and 0.5**changed * comb(changed, won) for won in range(changed + 1)
        )
        assert chance <= 0.05
        assert (mcnemar(0, changed) < 0.05) == (changed >= 6)


def test_the_smallest_difference_is_found_with_its_power() -> None:
    draw = np.random.default_rng(5)
    one, two = outcomes(draw, 0.0, 20_000)
    effect = smallest_difference(np.asarray(two) - np.asarray(one)) * (20_000 / HUMANEVAL) ** 0.5
    assert effect == pytest.approx(2.8 * 0.5 / HUMANEVAL**0.5, rel=0.03)
    found = np.mean([paired_difference(*outcomes(draw, effect)).p < 0.05 for _ in range(600)])
    assert 0.72 <= found <= 0.86


def test_a_run_without_a_changed_problem_could_still_have_missed_one() -> None:
    found = paired_difference([1.0] * 20, [1.0] * 20)
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.ci95[0] < -0.1
    assert found.ci95[1] > 0.1
    assert found.seen == pytest.approx(6 / 20)


def test_shares_of_samples_are_tested_by_flipping_signs() -> None:
    draw = np.random.default_rng(2)
    gaps = draw.choice([-0.2, 0.0, 0.1, 0.3], 40)
    expected = permutation_test((gaps,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1).pvalue
    assert sign_flip(gaps) == pytest.approx(expected, abs=0.015)
    assert paired_difference(np.zeros(40), gaps).test == "sign-flip permutation"
    assert sign_flip(np.zeros(5)) == 1.0


def test_signs_flipped_give_mcnemars_p_where_outcomes_are_0_or_1() -> None:
    gaps = np.array([1.0] * 14 + [-1.0] * 4 + [0.0] * 30)
    assert sign_flip(gaps) == pytest.approx(mcnemar(4, 14), abs=0.01)


def test_the_interval_of_a_difference_lies_around_it_and_turns_with_it() -> None:
    gaps = np.array([1.0] * 9 + [-1.0] * 3 + [0.0] * 88)
    low, high = difference_interval(gaps)
    assert low < 0.06 < high
    assert difference_interval(-gaps) == pytest.approx((-high, -low), abs=0.011)


def test_not_inferior_asks_the_whole_interval() -> None:
    same = paired_difference([1.0, 0.0] * 250, [1.0, 0.0] * 250)
    assert not_inferior(same, 0.02)
    assert not not_inferior(paired_difference([1.0] * 30, [1.0] * 30), 0.02)
    with pytest.raises(ValueError, match="above 0"):
        not_inferior(same, 0.0)


def test_different_problems_are_no_pair() -> None:
    with pytest.raises(ValueError, match="same problems"):
        paired_difference([1.0], [1.0, 0.0])


def test_newcombes_example_of_two_independent_rates() -> None:
    """56/70 against 48/80, Newcombe 1998, table II, method 10."""
    rates = [(56 / 70, *wilson(56, 70)), (48 / 80, *wilson(48, 80))]
    assert unpaired_gap(*rates) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_the_mean_of_tasks_is_known_better_than_each() -> None:
    rate = (0.5, *wilson(50, 100))
    low, high = mean_interval([rate] * 4)
    assert (low, high) == pytest.approx((0.5 - (0.5 - rate[1]) / 2, 0.5 + (rate[2] - 0.5) / 2))


def test_a_rate_of_tokens_over_seconds_covers_the_truth() -> None:
    draw, covered = np.random.default_rng(4), 0
    for _ in range(500):
        seconds = draw.gamma(2.0, 3.0, 50)
        tokens = 20 * seconds * draw.gamma(25, 1 / 25, 50)
        error = ratio_error(tokens, seconds)
        assert error is not None
        low, high = ratio_interval(tokens.sum() / seconds.sum(), error)
        covered += low <= 20 <= high
    assert 0.91 <= covered / 500 <= 0.98
    assert ratio_error([5.0], [1.0]) is None
    assert ratio_error([5.0, 5.0], [0.0, 0.0]) is None


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_makes_a_p_smaller_and_keeps_their_order(ps: list[float]) -> None:
    found = holm(ps)
    assert all(corrected >= p for corrected, p in zip(found, ps, strict=True))
    assert all(corrected <= min(1.0, p * len(ps)) + 1e-12 for corrected, p in zip(found, ps, strict=True))
    order = np.argsort(ps, kind="stable")
    assert all(np.diff(np.asarray(found)[order]) >= 0)
