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
    rank_correlation,
    verdict_agreement,
    voter_agreement,
)
from evalharness.arena.statistics.ballots import Ballots, Outcome
from evalharness.arena.statistics.davidson import fit
from evalharness.arena.statistics.intervals import Covariance, covariance
from evalharness.arena.statistics.tally import Dependence, tally_votes
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
    """Log odds relative to the mean of the models (see `Covariance.reference_models`)."""
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int


@dataclass(frozen=True)
class ModelPair:
    """Comparison of two models, the stronger one first; `difference` is between their strengths, in log odds."""

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
    dependence: Dependence
    clusters: int
    median_ms: float | None
    models: tuple[ModelStrength, ...]
    """Strongest first."""
    pairs: tuple[ModelPair, ...]
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


def summarize_groups(votes: Sequence[Vote], rates: Mapping[str, float]) -> list[VoteSummary]:
    """Returns one summary of the votes of all people, if there are any, and one for each judge model.

    `rates` has pass@1 by model. Votes of people and of models are never combined.
    """
    people = [vote for vote in votes if vote.pair.voter_kind == "person"]
    judges = sorted({vote.pair.voter for vote in votes if vote.pair.voter_kind == "model"})
    groups = [("", people), *((judge, [vote for vote in votes if vote.pair.voter == judge]) for judge in judges)]
    return [summarize(group, rates, judge) for judge, group in groups if any(vote.choice != "skip" for vote in group)]


def summarize(votes: Sequence[Vote], rates: Mapping[str, float], judge: str = "") -> VoteSummary:
    """Returns the statistics of votes, of which at least one must not be `skip`. `rates` has pass@1 by model."""
    ballots, judged, dependence = tally_votes(votes)
    estimates = covariance(fit(ballots))
    strengths = _model_strengths(ballots, estimates)
    ranking = [ballots.models.index(row.model) for row in strengths]
    decided = int((ballots.outcome <= Outcome.SECOND).sum())
    times = [vote.ms for vote in judged if vote.ms is not None]
    values = {row.model: row.strength[0] for row in strengths}
    layout = estimates.fit.layout
    return VoteSummary(
        judge=judge,
        votes=len(judged),
        skipped=len(votes) - len(judged),
        voters=len({vote.pair.voter for vote in judged} - {""}),
        dependence=dependence,
        clusters=ballots.clusters,
        median_ms=float(np.median(times)) if times else None,
        models=strengths,
        pairs=tuple(_compare_models(ballots, estimates, first, second) for first, second in combinations(ranking, 2)),
        position=_estimate_parameter(estimates, layout.models),
        first_share=(int((ballots.outcome == Outcome.FIRST).sum()), decided),
        latency=_estimate_parameter(estimates, layout.terms - 1) if layout.latency else None,
        recorded_votes=sum(vote.pair.arm == "recorded" for vote in judged),
        verdicts=verdict_agreement(judged),
        voter_agreement=voter_agreement(judged),
        rate_correlation=rank_correlation(values, rates),
    )


def _model_strengths(ballots: Ballots, estimates: Covariance) -> tuple[ModelStrength, ...]:
    rows = []
    for index, model in enumerate(ballots.models):
        as_first, as_second = ballots.first == index, ballots.second == index
        own = ballots.outcome[as_first | as_second]
        wins = int((ballots.outcome[as_first] == Outcome.FIRST).sum())
        wins += int((ballots.outcome[as_second] == Outcome.SECOND).sum())
        contrast = estimates.strength_contrast(index)
        value = float(contrast @ estimates.fit.parameters)
        ties, both_bad = int((own == Outcome.TIE).sum()), int((own == Outcome.BOTH_BAD).sum())
        rows.append(
            ModelStrength(
                model, (value, estimates.interval(contrast)), len(own), wins,
                len(own) - wins - ties - both_bad, ties, both_bad,
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: -row.strength[0]))


def _compare_models(ballots: Ballots, estimates: Covariance, i: int, j: int) -> ModelPair:
    contrast = estimates.difference_contrast(i, j)
    value, interval = float(contrast @ estimates.fit.parameters), estimates.interval(contrast)
    forward = (ballots.first == i) & (ballots.second == j)
    backward = (ballots.first == j) & (ballots.second == i)
    both = ballots.outcome[forward | backward]
    wins = (ballots.outcome[forward] == Outcome.FIRST).sum() + (ballots.outcome[backward] == Outcome.SECOND).sum()
    return ModelPair(
        ballots.models[i],
        ballots.models[j],
        (value, interval),
        len(both),
        wins=float(wins + (both >= Outcome.TIE).sum() / 2),
        more_votes=_further_votes_needed(value, interval, estimates.standard_error(contrast), len(ballots)),
    )


def _further_votes_needed(difference: float, interval: Interval, error: float, votes: int) -> int | None:
    """Returns how many further votes are needed to detect a difference of this size with 80 % power.

    The standard error `error` of `votes` votes decreases with the square root of their number, so
    votes * ((z(0.975) + z(0.8)) * error / difference)^2 votes are needed in all. Returns 0 if the interval excludes 0,
    None if it is infinite or the difference is 0.
    """
    if interval[0] > 0 or interval[1] < 0:
        return 0
    if not math.isfinite(interval[0]) or abs(difference) < 1e-9:
        return None
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) + NormalDist().inv_cdf(POWER)
    return max(1, math.ceil(votes * ((z * error / difference) ** 2 - 1)))


def _estimate_parameter(estimates: Covariance, index: int) -> Estimate:
    """Returns the fitted parameter with this index (such as position), and its 95 % confidence interval."""
    contrast = np.zeros(estimates.fit.layout.size)
    contrast[index] = 1
    return float(estimates.fit.parameters[index]), estimates.interval(contrast)
