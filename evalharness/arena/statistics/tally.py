"""Converts arena votes to arrays, and decides which votes depend on each other."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from evalharness.arena.records import AnswerRecord, Vote, VoteChoice
from evalharness.arena.statistics.ballots import Ballots, VoteOutcome

OUTCOMES: dict[VoteChoice, VoteOutcome] = {
    "first": VoteOutcome.FIRST, "second": VoteOutcome.SECOND, "tie": VoteOutcome.TIE, "both_bad": VoteOutcome.BOTH_BAD,
}  # fmt: skip
FEWEST_VOTERS = 5
"""With fewer (effective) voters, the votes do not represent voters in general: intervals hold only for these voters."""
ClusterKind = Literal["voter", "vote", "problem"]
"""What forms a cluster of dependent votes: all votes of one voter, each vote alone, or all votes on one problem."""


class Tally(NamedTuple):
    """Arena votes as arrays, without skipped pairs, and which votes depend on each other (`ClusterKind`)."""

    ballots: Ballots
    votes: list[Vote]
    """The votes, in the order of the arrays' entries."""
    dependence: ClusterKind


def tally_votes(votes: Iterable[Vote], models: Sequence[str] | None = None) -> Tally:
    """Returns votes as arrays for the Bradley-Terry fit. `models`: only votes between these models; None: all votes.

    Also decides which votes form a cluster of dependent votes: the votes of one voter; each vote alone if the effective
    number of voters is below five (see `effective_cluster_count`); for a judge model, the votes on one problem, because
    the judge compares each pair in both orders.
    """
    judged = [vote for vote in votes if vote.choice != "skip"]
    names = (
        sorted({side.model for vote in judged for side in _answer_records_of_vote(vote)})
        if models is None
        else list(models)
    )
    index = {name: number for number, name in enumerate(names)}
    counted_votes = [vote for vote in judged if all(side.model in index for side in _answer_records_of_vote(vote))]
    dependence = _choose_cluster_kind(counted_votes)
    clusters = [_cluster_key_of_vote(vote, number, dependence) for number, vote in enumerate(counted_votes)]
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    ballots = Ballots.from_sequences(
        names,
        [index[vote.pair.first.model] for vote in counted_votes],
        [index[vote.pair.second.model] for vote in counted_votes],
        [OUTCOMES[vote.choice] for vote in counted_votes],
        [numbers[cluster] for cluster in clusters],
        [log2_wait_ratio(vote) for vote in counted_votes],
    )
    return Tally(ballots, counted_votes, dependence)


def log2_wait_ratio(vote: Vote) -> float:
    """Returns log2(time until the second answer was visible / time until the first was); 0 if both appeared at once."""
    first, second = (side.wait_s for side in _answer_records_of_vote(vote))
    return math.log2(second / first) if vote.pair.arm == "recorded" and first > 0 and second > 0 else 0.0


def _answer_records_of_vote(vote: Vote) -> tuple[AnswerRecord, AnswerRecord]:
    return vote.pair.first, vote.pair.second


def _choose_cluster_kind(votes: Sequence[Vote]) -> ClusterKind:
    if votes and all(vote.pair.voter_kind == "model" for vote in votes):
        return "problem"
    counts = Counter(vote.pair.voter or number for number, vote in enumerate(votes))
    any_voter_known = any(vote.pair.voter for vote in votes)
    effective = counts.total() ** 2 / sum(count**2 for count in counts.values()) if votes else 0.0
    return "voter" if any_voter_known and effective > FEWEST_VOTERS - 0.5 else "vote"


def _cluster_key_of_vote(vote: Vote, vote_number: int, cluster_kind: ClusterKind) -> tuple[str, object]:
    if cluster_kind == "problem":
        return ("problem", (vote.pair.task, vote.pair.task_id))
    if cluster_kind == "voter" and vote.pair.voter:
        return ("voter", vote.pair.voter)
    return ("vote", vote_number)
