"""95 % intervals against scipy, against published values, and by their coverage in simulations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evalharness.metrics.intervals import (
    difference_of_independent_rates_interval,
    log_normal_interval,
    mean_interval,
    mean_of_rates_interval,
    standard_error_of_log_ratio,
    wilson_interval,
)

HUMANEVAL = 164


@given(st.integers(1, 2000), st.data())
def test_wilson_interval_equals_scipys(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_scipy_takes_no_partial_successes() -> None:
    """The reason for a Wilson interval in this package."""
    with pytest.raises(TypeError, match="must be an integer"):
        binomtest(2.5, 10)
    low, high = wilson_interval(2.5, 10)
    assert wilson_interval(2, 10)[0] < low < wilson_interval(3, 10)[0]
    assert wilson_interval(2, 10)[1] < high < wilson_interval(3, 10)[1]


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.95])
def test_wilson_intervals_cover_94_to_96_percent_of_10000_draws(rate: float) -> None:
    draws = np.random.default_rng(7).binomial(HUMANEVAL, rate, 10_000)
    ends = {passed: wilson_interval(passed, HUMANEVAL) for passed in set(draws.tolist())}
    covered = np.mean([ends[passed][0] <= rate <= ends[passed][1] for passed in draws.tolist()])
    assert 0.94 <= covered <= 0.96


def test_values_between_0_and_1_have_a_bootstrap_interval_over_problems() -> None:
    values = [0.2, 0.4, 0.9, 1.0, 0.0, 0.5, 0.5, 0.7] * 5
    low, high = mean_interval(values)
    half_width = 1.96 * float(np.std(values)) / len(values) ** 0.5
    assert (low, high) == pytest.approx((np.mean(values) - half_width, np.mean(values) + half_width), abs=0.02)
    assert mean_interval(values) == (low, high)


def test_equal_values_have_an_interval_of_positive_width() -> None:
    low, high = mean_interval([0.5] * 10)
    assert low < 0.3 < 0.7 < high


def test_the_unit_of_the_interval_of_many_samples_is_the_problem() -> None:
    """Twenty samples of a problem that all agree carry no more information than one."""
    rng = np.random.default_rng(3)
    true_rates, covered = rng.beta(0.3, 0.3, (300, 60)), 0
    for row in true_rates:
        low, high = mean_interval((rng.binomial(10, row) / 10).tolist())
        covered += low <= 0.5 <= high
    assert 0.91 <= covered / 300 <= 0.98


def test_newcombes_example_of_two_independent_rates() -> None:
    """56/70 against 48/80, Newcombe 1998, table II, method 10."""
    first, second = (56 / 70, *wilson_interval(56, 70)), (48 / 80, *wilson_interval(48, 80))
    assert difference_of_independent_rates_interval(first, second) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_the_mean_of_four_tasks_has_half_the_interval_of_one() -> None:
    rate = (0.5, *wilson_interval(50, 100))
    low, high = mean_of_rates_interval([rate] * 4)
    assert (low, high) == pytest.approx((0.5 - (0.5 - rate[1]) / 2, 0.5 + (rate[2] - 0.5) / 2))


def test_the_interval_of_tokens_per_second_covers_the_true_rate() -> None:
    rng, covered = np.random.default_rng(4), 0
    for _ in range(500):
        seconds = rng.gamma(2.0, 3.0, 50)
        tokens = 20 * seconds * rng.gamma(25, 1 / 25, 50)
        error = standard_error_of_log_ratio(tokens, seconds)
        assert error is not None
        low, high = log_normal_interval(tokens.sum() / seconds.sum(), error)
        covered += low <= 20 <= high
    assert 0.91 <= covered / 500 <= 0.98
    assert standard_error_of_log_ratio([5.0], [1.0]) is None
    assert standard_error_of_log_ratio([5.0, 5.0], [0.0, 0.0]) is None


@given(st.integers(1, 100_000))
def test_without_successes_or_failures_one_end_is_exact(trials: int) -> None:
    assert wilson_interval(0, trials)[0] == 0.0
    assert wilson_interval(trials, trials)[1] == 1.0
