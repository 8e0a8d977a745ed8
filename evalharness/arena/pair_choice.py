"""Chooses which two answers a voter compares next, to learn most about the models' strengths."""

import random
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from evalharness.arena.answers import Answer
from evalharness.arena.entrants import Entrants, ModelPair, ProblemKey
from evalharness.arena.records import PairKey
from evalharness.arena.statistics.ballots import Ballots
from evalharness.arena.statistics.davidson import (
    choose_parameter_layout,
    fit_davidson_model,
    information_matrix,
    likelihood_derivatives,
)
from evalharness.arena.statistics.tally import tally_votes
from evalharness.arena.store import VoteStore

PRIOR_PRECISION = 0.25
"""1 / variance of a model's strength (log odds) before its first vote."""
EVEN_SHARE = 0.1
"""Share of draws that choose a pair of models uniformly, so that every pair of models can occur."""
SIDE_PROBABILITY = 2 / 3
"""Probability that the model shown first less often is shown first. Source: Efron 1971 (Biometrika 58, 403-417), the
biased coin design, which balances the order without making it predictable.
"""
REFIT_SHARE = 0.05
"""New votes, as a share of those of the last fit, after which the strengths are fitted again."""


@dataclass(frozen=True)
class CandidatePair:
    """Two models and their answers to a problem, in the order in which a voter will see them.

    The answer of a live model, which answers on request, is None until the model has generated it.
    """

    problem: ProblemKey
    models: ModelPair
    answers: tuple[Answer | None, Answer | None]


class ShownPairCounts(NamedTuple):
    """Counts of the pairs of two models' answers that were shown so far, by problem and by the model shown first."""

    by_problem: Counter[ProblemKey]
    by_first_model: Counter[str]
    """How often each of the two models was shown first, by its label."""


class PairChooser:
    """Selects the next pair of answers for a voter: two models, then a problem, two samples and their order."""

    def __init__(self, entrants: Entrants, store: VoteStore, uniform: bool = False, seed: int | None = None):
        """`uniform`: draw all pairs of models with equal probability. `seed`: makes the draws repeatable, for tests."""
        self.entrants, self.store, self.uniform = entrants, store, uniform
        self.random = random.Random(secrets.randbits(64) if seed is None else seed)
        self._fitted_votes = -1
        self._gains: dict[ModelPair, float] = {}

    def choose_pair(self, voter: str) -> CandidatePair | None:
        """Returns the next pair of answers for a voter; None if the voter has seen all pairs."""
        seen = self.store.seen_pairs(voter)
        pairs = list(combinations(self.entrants.model_labels, 2))
        weights = self._calculate_selection_weights(pairs)
        while pairs:
            index = self.random.choices(range(len(pairs)), weights)[0]
            candidate = self._select_unseen_pair(pairs[index], seen)
            if candidate:
                return candidate
            del pairs[index], weights[index]
        return None

    def _calculate_selection_weights(self, model_pairs: Sequence[ModelPair]) -> list[float]:
        """Returns, for each pair of models, the relative probability of selecting it for the next vote.

        It is (1 - EVEN_SHARE) * gain / (sum of all gains) + EVEN_SHARE / (number of pairs), where gain is the expected
        information gain of one more vote on the pair; with `self.uniform`, it is equal for all pairs.
        """
        if self.uniform or not model_pairs:
            return [1.0] * len(model_pairs)
        votes = [vote for vote in self.store.votes() if vote.pair.voter_kind == "person"]
        if self._fitted_votes < 0 or len(votes) - self._fitted_votes > REFIT_SHARE * self._fitted_votes:
            self._gains = expected_information_gains(tally_votes(votes, self.entrants.model_labels)[0])
            self._fitted_votes = len(votes)
        gains = [self._gains[pair] for pair in model_pairs]
        return [gain / sum(gains) * (1 - EVEN_SHARE) + EVEN_SHARE / len(model_pairs) for gain in gains]

    def _select_unseen_pair(self, model_labels: ModelPair, seen_pairs: set[PairKey]) -> CandidatePair | None:
        """Selects a pair of two models' answers that the voter has not seen, on the problem that was shown least often.

        Returns None if the voter has seen all pairs of the two models' answers.
        """
        problem_counts, first_counts = self._count_shown_pairs(model_labels)
        keys = list(self.entrants.problems)
        self.random.shuffle(keys)
        for key in sorted(keys, key=lambda key: problem_counts[key]):
            if options := [
                option
                for option in self._iterate_over_answer_pairs(key, model_labels)
                if not _has_voter_seen(key, model_labels, option, seen_pairs)
            ]:
                answers = self.random.choice(options)
                lead = first_counts[model_labels[0]] - first_counts[model_labels[1]]
                chance = 0.5 if lead == 0 else SIDE_PROBABILITY if lead < 0 else 1 - SIDE_PROBABILITY
                if self.random.random() < chance:
                    return CandidatePair(key, model_labels, answers)
                return CandidatePair(key, model_labels[::-1], answers[::-1])
        return None

    def _iterate_over_answer_pairs(
        self, problem_key: ProblemKey, model_labels: ModelPair
    ) -> Iterator[tuple[Answer | None, Answer | None]]:
        """Yields each pair of two models' answers to a problem, except pairs of equal programs.

        None stands for the answer of a live model, which is generated only for a selected pair.
        """
        left, right = (
            [None] if model in self.entrants.live else self.entrants.answers(problem_key, model)
            for model in model_labels
        )
        for first in left:
            for second in right:
                if first is None or second is None or first.program.strip() != second.program.strip():
                    yield first, second

    def _count_shown_pairs(self, model_labels: ModelPair) -> ShownPairCounts:
        """Counts the pairs of two models' answers that were shown to voters so far."""
        problem_counts: Counter[ProblemKey] = Counter()
        first_counts: Counter[str] = Counter()
        for pair in self.store.pairs():
            if {pair.first.model, pair.second.model} == set(model_labels):
                problem_counts[pair.task, pair.task_id] += 1
                first_counts[pair.first.model] += 1
        return ShownPairCounts(problem_counts, first_counts)


def _has_voter_seen(
    problem_key: ProblemKey,
    model_labels: ModelPair,
    answers: tuple[Answer | None, Answer | None],
    seen_pairs: set[PairKey],
) -> bool:
    """Returns whether these two answers are in `seen_pairs`, the pairs that a voter has seen, in either order.

    The answer of a live model is None; then any seen pair of the two models on this problem counts.
    """
    if answers[0] is not None and answers[1] is not None:
        left, right = sorted(zip(model_labels, (answers[0].sample_id, answers[1].sample_id), strict=True))
        return (*problem_key, left, right) in seen_pairs
    return any(
        (task, task_id) == problem_key and {left[0], right[0]} == set(model_labels)
        for task, task_id, left, right in seen_pairs
    )


def expected_information_gains(ballots: Ballots) -> dict[ModelPair, float]:
    """Returns, for each pair of models, the expected information gain about the strengths from one more vote on it.

    The gain is log(1 + V * I), where V is the variance of the difference between the two strengths, given the votes and
    a normal prior, and I is the expected information of a vote about that difference. It is the decrease of the log
    determinant of the covariance (D-optimal design). It is largest if difference and outcome are uncertain.
    """
    models = len(ballots.models)
    pairs = list(combinations(range(models), 2))
    trial = Ballots.from_sequences(
        ballots.models, [i for i, _ in pairs], [j for _, j in pairs], np.zeros(len(pairs), np.int64)
    )
    if len(ballots):
        fitted = fit_davidson_model(ballots, penalty=PRIOR_PRECISION)
        layout, parameters = fitted.layout, fitted.parameters
        precision = information_matrix(
            ballots, layout, likelihood_derivatives(ballots, layout, parameters), PRIOR_PRECISION
        )
    else:
        layout = choose_parameter_layout(trial, with_position=False)
        parameters, precision = np.zeros(layout.parameter_count), PRIOR_PRECISION * np.eye(layout.parameter_count)
    per_vote = likelihood_derivatives(trial, layout, parameters).curvature[:, 0, 0]
    inverse = np.linalg.inv(precision)[:models, :models]
    variance = np.array([inverse[i, i] + inverse[j, j] - 2 * inverse[i, j] for i, j in pairs])
    gains = np.log1p(variance * per_vote)
    return {(ballots.models[i], ballots.models[j]): float(gain) for (i, j), gain in zip(pairs, gains, strict=True)}
