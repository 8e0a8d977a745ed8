"""Checks the arena's statistics on simulated voters of known strengths, and shows where a naive fit fails.

    python benchmarks/arena_simulation.py [--simulations 1000] [--out FILE.json]

Each scenario draws votes, fits them, and counts how often the 95 % interval contains the truth. Where voters differ in
taste, the truth is the strength for the average over voters: the fit of the exact probabilities of the outcomes.
"""

import argparse
import json
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import special, stats

from evalharness.arena.statistics.ballots import Ballots, Floats
from evalharness.arena.statistics.davidson import fit_davidson_model
from evalharness.arena.statistics.intervals import FitCovariance, estimate_covariance, one_cluster_per_vote

NODES = 40
"""Nodes of the Gauss-Hermite quadrature over the voters' tastes."""
STRENGTHS = (0.9, 0.4, 0.0, -0.4, -0.9)
CLOSE = (0.25, 0.1, 0.0, -0.1, -0.25)


@dataclass(frozen=True)
class Scenario:
    """How simulated voters vote. Strengths, position and taste are in log odds."""

    name: str
    strengths: tuple[float, ...] = STRENGTHS
    voters: int = 30
    votes: int = 40
    """Votes per voter, on average."""
    equal_shares: bool = True
    """Whether all voters vote equally often; otherwise the numbers of votes have a geometric distribution."""
    upper: float = 0.5
    """Probability that an answer in the first position wins against an equal one."""
    unread: float = 0.0
    """Share of the votes that take the first answer without reading."""
    tie: float = 0.0
    """Weight of a tie; that of a win between equals is 1."""
    both_bad: float = 0.0
    taste: float = 0.0
    """Standard deviation of a voter's own strength of a model around the common one."""
    stronger_above: float = 0.5
    """Probability that the stronger of two models stands in the first position."""

    def probabilities(self, advantage: Floats) -> Floats:
        """Returns the probabilities of first, second, tie and both bad (last axis) for a difference of strengths."""
        shifted = advantage + special.logit(self.upper)
        weights = np.stack(
            [np.exp(shifted / 2), np.exp(-shifted / 2), np.full_like(shifted, self.tie),
             np.full_like(shifted, self.both_bad)], axis=-1,
        )  # fmt: skip
        read = weights / weights.sum(axis=-1, keepdims=True)
        mixed: Floats = self.unread * np.array([1.0, 0, 0, 0]) + (1 - self.unread) * read
        return mixed


def draw(scenario: Scenario, rng: np.random.Generator) -> Ballots:
    """Returns simulated votes."""
    models = len(scenario.strengths)
    counts = (
        np.full(scenario.voters, scenario.votes)
        if scenario.equal_shares
        else rng.geometric(1 / scenario.votes, scenario.voters)
    )
    voter = np.repeat(np.arange(scenario.voters), counts)
    own = np.array(scenario.strengths) + scenario.taste * rng.standard_normal((scenario.voters, models))
    pairs = np.array(list(combinations(range(models), 2)))[rng.integers(models * (models - 1) // 2, size=len(voter))]
    swapped = rng.random(len(voter)) >= scenario.stronger_above
    first, second = np.where(swapped, pairs[:, 1], pairs[:, 0]), np.where(swapped, pairs[:, 0], pairs[:, 1])
    cumulative = scenario.probabilities(own[voter, first] - own[voter, second]).cumsum(axis=1)
    outcome = (rng.random((len(voter), 1)) > cumulative[:, :3]).sum(axis=1)
    return Ballots.from_sequences([f"model {index}" for index in range(models)], first, second, outcome, voter)


def truth(scenario: Scenario) -> Floats:
    """Returns the strengths that the fit tends to for endless voters, and the position term."""
    models = len(scenario.strengths)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    rows = []
    for stronger, weaker in combinations(range(models), 2):
        for first, second, share in (
            (stronger, weaker, scenario.stronger_above),
            (weaker, stronger, 1 - scenario.stronger_above),
        ):
            advantage = scenario.strengths[first] - scenario.strengths[second]
            spread = scenario.probabilities(advantage + np.sqrt(2) * scenario.taste * nodes)
            rows += [
                (first, second, outcome, share * float(weights @ spread[:, outcome]))
                for outcome in range(4)
                if share * float(weights @ spread[:, outcome]) > 0
            ]
    firsts, seconds, outcomes, shares = zip(*rows, strict=True)
    names = [f"model {index}" for index in range(models)]
    exact = fit_davidson_model(Ballots.from_sequences(names, firsts, seconds, outcomes, weights=1e6 * np.array(shares)))
    return exact.parameters[: models + 1]


@dataclass(frozen=True)
class Result:
    """What the simulations of a scenario gave."""

    scenario: str
    simulations: int
    coverage: float
    """Share of the 95 % intervals of strengths that contain the truth."""
    lowest_coverage: float
    """The same of the model with the lowest."""
    position_coverage: float
    bias: float
    """The largest absolute mean error of a strength, in log odds."""
    ranking: float
    """Kendall's rank correlation between true and fitted strengths, mean over simulations."""
    mean_ranking_right: bool
    """Whether the strengths, averaged over the simulations, have the true order."""
    naive_coverage: float
    naive_bias: float
    naive_ranking_right: bool
    seconds: float


def simulate(scenario: Scenario, simulations: int, seed: int = 0) -> Result:
    """Returns how often the intervals contain the truth.

    The naive fit has no position term, counts a tie as half a win for each, and takes all votes as independent.
    """
    begin = time.monotonic()
    rng = np.random.default_rng(seed)
    right = truth(scenario)
    models = len(scenario.strengths)
    hits, naive_hits, estimates, naive_estimates, taus = [], [], [], [], []
    for _ in range(simulations):
        ballots = draw(scenario, rng)
        fitted = fit_davidson_model(ballots)
        hits.append(_hits(estimate_covariance(fitted), right))
        estimates.append(fitted.strengths)
        taus.append(stats.kendalltau(fitted.strengths, right[:models]).statistic)
        plain = naive(ballots)
        naive_fit = fit_davidson_model(plain, with_position=False)
        naive_hits.append(_hits(estimate_covariance(naive_fit, one_cluster_per_vote(plain)), right[:models]))
        naive_estimates.append(naive_fit.strengths)
    coverage, naive_coverage = np.mean(hits, axis=0), np.mean(naive_hits, axis=0)
    mean, naive_mean = np.mean(estimates, axis=0), np.mean(naive_estimates, axis=0)
    order = np.argsort(right[:models])
    return Result(
        scenario.name,
        simulations,
        coverage=float(coverage[:models].mean()),
        lowest_coverage=float(coverage[:models].min()),
        position_coverage=float(coverage[models]),
        bias=float(np.abs(mean - right[:models]).max()),
        ranking=float(np.mean(taus)),
        mean_ranking_right=bool(np.array_equal(np.argsort(mean), order)),
        naive_coverage=float(naive_coverage.mean()),
        naive_bias=float(np.abs(naive_mean - right[:models]).max()),
        naive_ranking_right=bool(np.array_equal(np.argsort(naive_mean), order)),
        seconds=time.monotonic() - begin,
    )


def naive(ballots: Ballots) -> Ballots:
    """Returns the votes with each tie, and each "both bad", as half a win for each model."""
    tied = ballots.outcome >= 2
    first, second = (np.concatenate([side, side[tied]]) for side in (ballots.first, ballots.second))
    outcome = np.concatenate([np.where(tied, 0, ballots.outcome), np.ones(tied.sum(), np.int64)])
    weight = np.concatenate([np.where(tied, 0.5, 1.0), np.full(tied.sum(), 0.5)])
    return Ballots.from_sequences(ballots.models, first, second, outcome, weights=weight)


def _hits(estimates: FitCovariance, right: Floats) -> list[bool]:
    """Returns for each of the first parameters whether its 95 % interval contains the truth."""
    intervals = [estimates.confidence_interval(row) for row in _contrasts(estimates, len(right))]
    return [low <= value <= high for (low, high), value in zip(intervals, right, strict=True)]


def _contrasts(estimates: FitCovariance, count: int) -> list[Floats]:
    models = estimates.fit.layout.models
    position = np.zeros(estimates.fit.layout.parameter_count)
    if count > models:
        position[models] = 1
    return [*map(estimates.strength_contrast, range(models)), *([position] if count > models else [])]


SCENARIOS = (
    Scenario("no bias, no ties"),
    Scenario("upper answer wins 60 %", upper=0.6),
    Scenario("upper answer wins 80 %", upper=0.8),
    Scenario("80 % of votes unread", unread=0.8, strengths=(2.0, 1.0, 0.0, -1.0, -2.0), votes=80),
    Scenario("ties and both bad", upper=0.6, tie=0.7, both_bad=0.4),
    Scenario("taste 1.0", upper=0.6, tie=0.5, taste=1.0),
    Scenario("taste 1.0, unequal voters", upper=0.7, tie=0.5, taste=1.0, voters=40, equal_shares=False),
    Scenario("8 voters of different taste", upper=0.7, tie=0.5, taste=0.7, voters=8, votes=100),
    Scenario("one vote per voter", upper=0.7, tie=0.5, voters=800, votes=1),
    Scenario("upper 80 %, weaker model above in 80 %", upper=0.8, strengths=CLOSE, stronger_above=0.2, votes=80),
)


def main() -> None:
    """Prints one row per scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results = []
    print("| scenario | coverage | lowest | position | bias | rank corr. | order | naive coverage | bias | order | s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for scenario in SCENARIOS:
        row = simulate(scenario, arguments.simulations)
        results.append(vars(row))
        print(
            f"| {row.scenario} | {row.coverage:.1%} | {row.lowest_coverage:.1%} | {row.position_coverage:.1%} | "
            f"{row.bias:.3f} | {row.ranking:.2f} | {row.mean_ranking_right} | {row.naive_coverage:.1%} | "
            f"{row.naive_bias:.3f} | {row.naive_ranking_right} | {row.seconds:.0f} |",
            flush=True,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
