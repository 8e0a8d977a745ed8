"""Summary statistics of the votes of people, or of one model as judge, for the arena's report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np

from evalharness.arena.records import Vote
from evalharness.arena.statistics.agreement import (
    VerdictAgreement,
    VoterAgreement,
    measure_verdict_agreement,
    measure_voter_agreement,
    rank_correlation,
)
from evalharness.arena.statistics.ballots import Ballots, VoteOutcome
from evalharness.arena.statistics.davidson import fit_davidson_model
from evalharness.arena.statistics.intervals import FitCovariance, estimate_covariance
from evalharness.arena.statistics.tally import ClusterKind, tally_votes
from evalharness.metrics.intervals import CONFIDENCE, Interval

POWER = 0.8
"""Statistical power for which the number of further votes is computed."""
Estimate = tuple[float, Interval]
"""A value and its 95 % confidence interval, infinite if the votes do not determine the value."""


@dataclass(frozen=True)
class ModelStrength:
    """A model's Bradley-Terry strength, and its wins, losses and ties."""

    model: str
    strength: Estimate
    """Log odds relative to the mean of the reference models (see `FitCovariance.reference_model_set`)."""
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int


@dataclass(frozen=True)
class ModelComparison:
    """Comparison of two models, the stronger one first; `difference` is that of their strengths, in log odds."""

    first: str
    second: str
    difference: Estimate
    votes: int
    """Votes on these two models."""
    wins: float
    """Wins of the first model over the second; a tie and "both bad" count half."""
    more_votes: int | None
    """Further votes, on models and by voters as before, needed to detect the difference with 80 % power; 0 if the
    interval excludes 0; None if it cannot be computed.
    """


@dataclass(frozen=True)
class VoteSummary:
    """The statistics of the votes of people, or of one judge model."""

    judge: str
    """The name of the judge model; empty for people."""
    votes: int
    """Votes without skipped pairs."""
    skipped: int
    voters: int
    dependence: ClusterKind
    clusters: int
    median_ms: float | None
    models: tuple[ModelStrength, ...]
    """Strongest first."""
    pairs: tuple[ModelComparison, ...]
    position: Estimate
    """Advantage of being shown first, in log odds."""
    first_share: tuple[int, int]
    """Votes for the answer shown first, and all decided votes (without ties and both bad)."""
    latency: Estimate | None
    """Advantage, in log odds, of an answer that appeared in half the other's time; None without votes on answers shown
    at their recorded speed.
    """
    recorded_votes: int
    verdicts: VerdictAgreement
    voter_agreement: VoterAgreement
    rate_correlation: float | None
    """Kendall's tau-b between strengths and pass@1."""


def summarize_votes_of_people_and_judges(votes: Sequence[Vote], pass_rates: Mapping[str, float]) -> list[VoteSummary]:
    """Returns one summary of the votes of all people, if there are any, and one of the votes of each judge model.

    `pass_rates`: pass@1 by model label. Votes of people and of models are never combined.
    """
    people = [vote for vote in votes if vote.pair.voter_kind == "person"]
    judges = sorted({vote.pair.voter for vote in votes if vote.pair.voter_kind == "model"})
    groups = [("", people), *((judge, [vote for vote in votes if vote.pair.voter == judge]) for judge in judges)]
    return [
        summarize_votes(group, pass_rates, judge)
        for judge, group in groups
        if any(vote.choice != "skip" for vote in group)
    ]


def summarize_votes(votes: Sequence[Vote], pass_rates: Mapping[str, float], judge_name: str = "") -> VoteSummary:
    """Returns the statistics of votes, at least one of which must have a choice other than `skip`.

    `pass_rates`: pass@1 by model label. `judge_name`: the judge model that cast the votes; empty for people.
    """
    ballots, judged, dependence = tally_votes(votes)
    covariance = estimate_covariance(fit_davidson_model(ballots))
    strengths = _estimate_strengths(ballots, covariance)
    ranking = [ballots.models.index(row.model) for row in strengths]
    decided = int((ballots.outcome <= VoteOutcome.SECOND).sum())
    times = [vote.ms for vote in judged if vote.ms is not None]
    values = {row.model: row.strength[0] for row in strengths}
    layout = covariance.fit.layout
    return VoteSummary(
        judge=judge_name,
        votes=len(judged),
        skipped=len(votes) - len(judged),
        voters=len({vote.pair.voter for vote in judged} - {""}),
        dependence=dependence,
        clusters=ballots.cluster_count,
        median_ms=float(np.median(times)) if times else None,
        models=strengths,
        pairs=tuple(_compare_models(ballots, covariance, first, second) for first, second in combinations(ranking, 2)),
        position=_estimate_parameter(covariance, layout.models),
        first_share=(int((ballots.outcome == VoteOutcome.FIRST).sum()), decided),
        latency=_estimate_parameter(covariance, layout.advantage_term_count - 1) if layout.latency else None,
        recorded_votes=sum(vote.pair.arm == "recorded" for vote in judged),
        verdicts=measure_verdict_agreement(judged),
        voter_agreement=measure_voter_agreement(judged),
        rate_correlation=rank_correlation(values, pass_rates),
    )


def _estimate_strengths(ballots: Ballots, covariance: FitCovariance) -> tuple[ModelStrength, ...]:
    """Returns each model's strength with its confidence interval and its counts of votes, strongest model first."""
    rows = []
    for index, model in enumerate(ballots.models):
        as_first, as_second = ballots.first == index, ballots.second == index
        own = ballots.outcome[as_first | as_second]
        wins = int((ballots.outcome[as_first] == VoteOutcome.FIRST).sum())
        wins += int((ballots.outcome[as_second] == VoteOutcome.SECOND).sum())
        contrast = covariance.strength_contrast(index)
        value = float(contrast @ covariance.fit.parameters)
        ties, both_bad = int((own == VoteOutcome.TIE).sum()), int((own == VoteOutcome.BOTH_BAD).sum())
        rows.append(
            ModelStrength(
                model, (value, covariance.confidence_interval(contrast)), len(own), wins,
                len(own) - wins - ties - both_bad, ties, both_bad,
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: -row.strength[0]))


def _compare_models(
    ballots: Ballots, covariance: FitCovariance, first_index: int, second_index: int
) -> ModelComparison:
    """Returns the comparison of two models, given as indices into `ballots.models`."""
    contrast = covariance.difference_contrast(first_index, second_index)
    value, interval = float(contrast @ covariance.fit.parameters), covariance.confidence_interval(contrast)
    forward = (ballots.first == first_index) & (ballots.second == second_index)
    backward = (ballots.first == second_index) & (ballots.second == first_index)
    both = ballots.outcome[forward | backward]
    wins = (ballots.outcome[forward] == VoteOutcome.FIRST).sum() + (
        ballots.outcome[backward] == VoteOutcome.SECOND
    ).sum()
    return ModelComparison(
        ballots.models[first_index],
        ballots.models[second_index],
        (value, interval),
        len(both),
        wins=float(wins + (both >= VoteOutcome.TIE).sum() / 2),
        more_votes=_calculate_further_votes_needed(value, interval, covariance.standard_error(contrast), len(ballots)),
    )


def _calculate_further_votes_needed(
    difference: float, interval: Interval, standard_error: float, vote_count: int
) -> int | None:
    """Returns how many further votes are needed to detect a strength difference of this size with 80 % power.

    `standard_error` is that of the difference after `vote_count` votes. A standard error is proportional to
    1 / sqrt(votes). Therefore vote_count * ((z(0.975) + z(0.8)) * standard_error / difference)^2 votes are needed in
    all. `interval` is the difference's confidence interval. Returns 0 if it excludes 0; None if it is infinite or the
    difference is 0.
    """
    if interval[0] > 0 or interval[1] < 0:
        return 0
    if not math.isfinite(interval[0]) or abs(difference) < 1e-9:
        return None
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) + NormalDist().inv_cdf(POWER)
    return max(1, math.ceil(vote_count * ((z * standard_error / difference) ** 2 - 1)))


def _estimate_parameter(covariance: FitCovariance, parameter_index: int) -> Estimate:
    """Returns the value of the fitted parameter with this index, and its 95 % confidence interval."""
    contrast = np.zeros(covariance.fit.layout.parameter_count)
    contrast[parameter_index] = 1
    return float(covariance.fit.parameters[parameter_index]), covariance.confidence_interval(contrast)
