"""Agreement between voters, and of votes with the sandbox's verdicts and with pass@1."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evalharness.arena.records import Vote
from evalharness.metrics.intervals import Interval, wilson_interval


@dataclass(frozen=True)
class VerdictAgreement:
    """How often votes agree with the sandbox's verdicts, on pairs of which exactly one answer passed its tests."""

    votes: int
    failing_preferred: int
    """Votes for the answer that failed its tests."""

    @property
    def failing_preferred_share_interval(self) -> Interval | None:
        """The 95 % confidence interval of the share of votes for the failing answer; None if there are no votes."""
        return wilson_interval(self.failing_preferred, self.votes) if self.votes else None


def measure_verdict_agreement(votes: Sequence[Vote]) -> VerdictAgreement:
    """Counts the votes on pairs of which exactly one answer passed its tests, and those for the failing answer."""
    chosen = [
        (vote.pair.first if vote.choice == "first" else vote.pair.second)
        for vote in votes
        if vote.choice in ("first", "second") and {vote.pair.first.passed, vote.pair.second.passed} == {True, False}
    ]
    return VerdictAgreement(len(chosen), sum(not side.passed for side in chosen))


@dataclass(frozen=True)
class VoterAgreement:
    """How far voters agree with each other, on pairs with several votes."""

    pairs: int
    """Pairs with at least two votes."""
    alpha: float | None
    """Krippendorff's alpha: 1 is perfect agreement, 0 chance; None if no pair has two votes or all votes are equal."""


def measure_voter_agreement(votes: Sequence[Vote]) -> VoterAgreement:
    """Returns how far voters agree on the better answer of a pair (or tie, or both bad), as Krippendorff's alpha.

    Alpha is 1 - D_observed / D_expected for nominal data, over the pairs with two votes or more; the order in which a
    pair was shown does not matter. Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C.
    Alpha is None if all votes are equal.
    """
    by_pair: dict[object, list[str]] = defaultdict(list)
    for vote in votes:
        if vote.choice != "skip":
            by_pair[vote.pair.key].append(_order_independent_choice(vote))
    units = [Counter(judgements) for judgements in by_pair.values() if len(judgements) > 1]
    if not units:
        return VoterAgreement(0, None)
    totals: Counter[str] = Counter()
    agreeing = 0.0
    for unit in units:
        totals.update(unit)
        agreeing += sum(count * (count - 1) for count in unit.values()) / (unit.total() - 1)
    all_votes = totals.total()
    expected = 1 - sum(count * (count - 1) for count in totals.values()) / (all_votes * (all_votes - 1))
    observed = 1 - agreeing / all_votes
    return VoterAgreement(len(units), None if expected == 0 else 1 - observed / expected)


def rank_correlation(strengths: Mapping[str, float], pass_rates: Mapping[str, float]) -> float | None:
    """Returns Kendall's tau-b between the models' strengths and their pass@1 (`pass_rates`), both by model label.

    Returns None for an undefined correlation: if fewer than two models have both values, or if all values are equal.
    """
    from scipy import stats  # Importing scipy.stats takes more than half a second.

    models = [model for model in strengths if model in pass_rates]
    if len(models) < 2:
        return None
    value = float(stats.kendalltau([strengths[model] for model in models], [pass_rates[model] for model in models])[0])
    return None if np.isnan(value) else value


def _order_independent_choice(vote: Vote) -> str:
    """Returns "answer 0" or "answer 1" for the preferred answer, or "tie" or "both_bad".

    An answer keeps its number if the pair is shown in the other order, so that votes on both orders can be compared.
    """
    if vote.choice not in ("first", "second"):
        return vote.choice
    side = vote.pair.first if vote.choice == "first" else vote.pair.second
    return f"answer {vote.pair.key[2:].index((side.model, side.sample_id))}"
