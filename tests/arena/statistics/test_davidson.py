"""Strengths of the Davidson model: against evalica, closed forms, laws, and votes that bound nothing."""

import numpy as np
import pytest
from evalica import Winner, bradley_terry
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from evalharness.arena.statistics.ballots import Ballots, VoteOutcome
from evalharness.arena.statistics.davidson import DavidsonFit, fit_davidson_model, likelihood_derivatives
from evalharness.arena.statistics.intervals import UNBOUNDED, estimate_covariance

NAMES = ("a", "b", "c", "d")


def random_votes(seed: int, votes: int = 400, outcomes: int = 2, voters: int = 10) -> Ballots:
    rng = np.random.default_rng(seed)
    strengths = np.array([1.0, 0.3, -0.3, -1.0])
    first = rng.integers(4, size=votes)
    second = (first + rng.integers(1, 4, size=votes)) % 4
    chance = 1 / (1 + np.exp(strengths[second] - strengths[first] - 0.5))
    outcome = (rng.random(votes) > chance).astype(int)
    if outcomes > 2:
        outcome = np.where(rng.random(votes) < 0.3, rng.integers(2, outcomes, size=votes), outcome)
    return Ballots.from_sequences(NAMES, first, second, outcome, rng.integers(voters, size=votes))


@pytest.mark.parametrize("seed", range(5))
def test_strengths_equal_evalica_without_ties_and_position(seed: int) -> None:
    ballots = random_votes(seed, votes=150)
    winners = [Winner.X if value == VoteOutcome.FIRST else Winner.Y for value in ballots.outcome]
    left, right = ([NAMES[index] for index in side] for side in (ballots.first, ballots.second))
    scores = np.log(bradley_terry(left, right, winners, tolerance=1e-12, limit=10_000).scores[list(NAMES)])
    assert fit_davidson_model(ballots, with_position=False).strengths == pytest.approx(scores - scores.mean(), abs=1e-3)


def test_two_models_have_the_log_odds_of_their_votes() -> None:
    ballots = Ballots.from_sequences(("a", "b"), [0] * 100, [1] * 100, [0] * 75 + [1] * 25)
    fitted = fit_davidson_model(ballots, with_position=False)
    assert fitted.strengths[0] - fitted.strengths[1] == pytest.approx(np.log(3), abs=1e-4)
    error = estimate_covariance(fitted).standard_error(np.array([1.0, -1.0]))
    assert error == pytest.approx(np.sqrt(1 / 75 + 1 / 25), rel=0.02)


def test_the_position_term_is_the_log_odds_of_balanced_equals() -> None:
    ballots = Ballots.from_sequences(("a", "b"), [0, 1] * 50, [1, 0] * 50, [0] * 80 + [1] * 20)
    fitted = fit_davidson_model(ballots)
    assert fitted.position_advantage == pytest.approx(np.log(4), abs=1e-3)
    assert fitted.strengths == pytest.approx([0, 0], abs=1e-6)


def test_a_tie_has_davidsons_probability() -> None:
    # pi_1 : pi_2 : nu sqrt(pi_1 pi_2) with pi = (4, 1) and nu = 1 is 4 : 1 : 2.
    ballots = Ballots.from_sequences(("a", "b"), [0] * 700, [1] * 700, [0] * 400 + [1] * 100 + [2] * 200)
    fitted = fit_davidson_model(ballots, with_position=False)
    assert fitted.strengths[0] - fitted.strengths[1] == pytest.approx(np.log(4), abs=1e-4)
    assert np.exp(fitted.parameters[-1]) == pytest.approx(1, abs=1e-4)


def shifted(fitted: DavidsonFit, parameters: np.ndarray) -> float:
    return float(likelihood_derivatives(fitted.ballots, fitted.layout, parameters).log_likelihood.sum())


@given(st.integers(0, 10_000), st.integers(2, 4))
@settings(max_examples=25)
def test_scores_and_curvature_are_the_derivatives(seed: int, outcomes: int) -> None:
    fitted = fit_davidson_model(random_votes(seed, votes=60, outcomes=outcomes))
    point = fitted.parameters + np.random.default_rng(seed).normal(size=fitted.layout.parameter_count) / 3
    parts = likelihood_derivatives(fitted.ballots, fitted.layout, point)
    slope = optimize.approx_fprime(point, lambda values: shifted(fitted, values), 1e-6)
    assert parts.scores.sum(axis=0) == pytest.approx(slope, abs=1e-3)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_exchanging_the_sides_of_all_votes_turns_the_position_around(seed: int) -> None:
    ballots = random_votes(seed, outcomes=4)
    turned = np.where(ballots.outcome < 2, 1 - ballots.outcome, ballots.outcome)
    other = fit_davidson_model(Ballots.from_sequences(NAMES, ballots.second, ballots.first, turned, ballots.cluster))
    fitted = fit_davidson_model(ballots)
    assert other.strengths == pytest.approx(fitted.strengths, abs=1e-6)
    assert other.position_advantage == pytest.approx(-fitted.position_advantage, abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_the_order_of_the_votes_and_their_repetition_change_no_strength(seed: int) -> None:
    ballots = random_votes(seed, outcomes=4)
    order = np.random.default_rng(seed).permutation(np.tile(np.arange(len(ballots)), 2))
    repeated = Ballots.from_sequences(NAMES, ballots.first[order], ballots.second[order], ballots.outcome[order])
    assert fit_davidson_model(repeated).strengths == pytest.approx(fit_davidson_model(ballots).strengths, abs=1e-3)


def test_votes_both_bad_move_strengths_as_ties_do() -> None:
    ballots = random_votes(1, outcomes=4)
    merged = Ballots.from_sequences(NAMES, ballots.first, ballots.second, np.minimum(ballots.outcome, VoteOutcome.TIE))
    assert fit_davidson_model(merged).strengths == pytest.approx(fit_davidson_model(ballots).strengths, abs=1e-4)


def test_a_model_that_never_lost_has_no_bounded_strength_and_the_others_have() -> None:
    ballots = random_votes(2, voters=12)
    wins = Ballots.from_sequences((*NAMES, "best"), [4] * 40, np.arange(40) % 4, [0] * 40)
    joined = Ballots.from_sequences(
        wins.models,
        np.concatenate([ballots.first, wins.first]),
        np.concatenate([ballots.second, wins.second]),
        np.concatenate([ballots.outcome, wins.outcome]),
        np.concatenate([ballots.cluster, np.arange(40) % 12]),
    )
    fitted = fit_davidson_model(joined)
    assert int(np.argmax(fitted.strengths)) == 4
    estimates = estimate_covariance(fitted)
    assert estimates.confidence_interval(estimates.difference_contrast(4, 0)) == UNBOUNDED
    assert estimates.reference_model_set().tolist() == [0, 1, 2, 3]
    alone = estimate_covariance(fit_davidson_model(ballots))
    for index in range(4):
        low, high = estimates.confidence_interval(estimates.strength_contrast(index))
        assert (low, high) == pytest.approx(alone.confidence_interval(alone.strength_contrast(index)), abs=0.2)


def test_models_that_no_chain_of_votes_connects_are_not_compared() -> None:
    ballots = random_votes(4)
    apart = (ballots.first // 2) == (ballots.second // 2)
    votes = [getattr(ballots, name)[apart] for name in ("first", "second", "outcome")]
    estimates = estimate_covariance(fit_davidson_model(Ballots.from_sequences(NAMES, *votes)))
    assert estimates.confidence_interval(estimates.difference_contrast(0, 2)) == UNBOUNDED
    low, high = estimates.confidence_interval(estimates.difference_contrast(0, 1))
    assert -2 < low < high < 4


def test_votes_without_information_about_strengths_are_unbounded() -> None:
    fitted = fit_davidson_model(Ballots.from_sequences(("a", "b"), [0] * 9, [1] * 9, [0] * 9, [0] * 9))
    assert estimate_covariance(fitted).confidence_interval(np.array([1.0, -1.0, 0.0])) == UNBOUNDED


def test_the_covariance_is_the_jackknife_over_voters() -> None:
    ballots = random_votes(3, votes=1000, outcomes=4, voters=25)
    fitted = fit_davidson_model(ballots)
    left_out = []
    for voter in range(25):
        kept = ballots.cluster != voter
        part = [getattr(ballots, name)[kept] for name in ("first", "second", "outcome")]
        left_out.append(fit_davidson_model(Ballots.from_sequences(NAMES, *part)).parameters)
    steps = np.array(left_out) - fitted.parameters
    assert estimate_covariance(fitted).matrix == pytest.approx(24 / 25 * steps.T @ steps, abs=4e-4)


def test_no_votes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one vote"):
        fit_davidson_model(Ballots.from_sequences(NAMES, [], [], []))
