"""What the report counts: wins, verdicts, agreement, latency, votes that are missing, and judges apart from people."""

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.arena_runs import vote

from evalharness.arena.records import AnswerRecord, ExperimentArm, Vote, VoteChoice
from evalharness.arena.statistics.agreement import measure_verdict_agreement, measure_voter_agreement, rank_correlation
from evalharness.arena.statistics.summary import summarize_votes, summarize_votes_of_people_and_judges
from evalharness.arena.statistics.tally import tally_votes


def votes_of(shares: tuple[float, float, float], count: int, voters: int = 10, seed: int = 0) -> list[Vote]:
    """Votes on a and b: shares of a, b, and tie."""
    rng = np.random.default_rng(seed)
    choices = rng.choice(3, size=count, p=shares)
    names: list[VoteChoice] = ["first", "second", "tie"]
    turned: list[VoteChoice] = ["second", "first", "tie"]
    return [
        vote(number, names[choice], voter=f"v{number % voters}")
        if number % 2
        else vote(number, turned[choice], "b", "a", voter=f"v{number % voters}")
        for number, choice in enumerate(choices)
    ]


def test_wins_ties_and_skipped_pairs_are_counted() -> None:
    summary = summarize_votes(
        [vote(1, "first"), vote(2, "second"), vote(3, "first", "b", "a"), vote(4, "tie"), vote(5, "both_bad"),
         vote(6, "skip")], {},
    )  # fmt: skip
    by_model = {row.model: row for row in summary.models}
    assert (summary.votes, summary.skipped, summary.first_share) == (5, 1, (2, 3))
    a = by_model["a"]
    assert (a.votes, a.wins, a.losses, a.ties, a.both_bad) == (5, 1, 2, 1, 1)
    [pair] = summary.pairs
    assert pair.first == "b"
    assert (pair.wins, pair.votes) == (3, 5)


def test_few_voters_make_votes_independent_and_many_are_clusters() -> None:
    assert tally_votes(votes_of((0.5, 0.5, 0), 40, voters=4)).dependence == "vote"
    tally = tally_votes(votes_of((0.5, 0.5, 0), 40, voters=5))
    assert (tally.dependence, tally.ballots.cluster_count) == ("voter", 5)
    dominated = [vote(number, "first", voter="Ada" if number > 8 else f"v{number}") for number in range(40)]
    assert tally_votes(dominated).dependence == "vote"


def test_one_voter_who_repeats_himself_widens_the_interval() -> None:
    alike = votes_of((0.7, 0.3, 0), 200, voters=200)
    stubborn = [
        replace(one, pair=replace(one.pair, voter=f"{one.choice == ('first', 'second')[number % 2 == 0]} {number % 5}"))
        for number, one in enumerate(alike)
    ]
    narrow, wide = (summarize_votes(votes, {}).pairs[0].difference[1] for votes in (alike, stubborn))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_further_votes_shrink_to_none_when_the_models_differ() -> None:
    few, many = (summarize_votes(votes_of((0.6, 0.4, 0), count), {}).pairs[0] for count in (60, 2000))
    assert many.more_votes == 0
    assert few.more_votes
    # (1.96 + 0.84)^2 / (n p q d^2) with d = log(1.5): about 200 votes in all.
    balanced = [
        vote(number, "first" if number % 10 < 6 else "second", voter=f"v{number}")
        if number % 20 < 10
        else vote(number, "second" if number % 10 < 6 else "first", "b", "a", voter=f"v{number}")
        for number in range(60)
    ]
    missing = summarize_votes(balanced, {}).pairs[0].more_votes
    assert missing == pytest.approx(7.85 / (0.24 * math.log(1.5) ** 2) - 60, rel=0.1)


def test_equal_models_need_no_finite_number_of_votes() -> None:
    equal = [vote(number, ("first", "second")[number // 2 % 2], *("ab", "ba")[number % 2]) for number in range(40)]
    assert summarize_votes(equal, {}).pairs[0].more_votes is None


def test_a_failing_answer_that_is_preferred_is_counted() -> None:
    one, other = {"a": True, "b": False}, {"a": True, "b": True}
    votes = [
        vote(1, "first", passed=one), vote(2, "second", passed=one), vote(3, "tie", passed=one),
        vote(4, "second", passed=other), vote(5, "second"), vote(6, "first", "b", "a", passed=one),
    ]  # fmt: skip
    agreement = measure_verdict_agreement(votes)
    assert (agreement.failing_preferred, agreement.votes) == (2, 3)
    assert measure_verdict_agreement([vote(1, "tie", passed=one)]).failing_preferred_share_interval is None


def test_alpha_is_krippendorffs() -> None:
    # The example of Krippendorff 2011, section B: two observers, ten units, binary data; alpha = 0.095.
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    votes = [
        vote(number, ("first", "second")[value], voter=voter)
        for voter, values in (("x", first), ("y", second))
        for number, value in enumerate(values)
    ]
    agreement = measure_voter_agreement(votes)
    assert agreement.pairs == 10
    assert agreement.alpha == pytest.approx(0.095, abs=5e-4)


def test_agreement_does_not_depend_on_the_order_of_the_answers() -> None:
    votes = [vote(1, "first", voter="x"), vote(1, "second", "b", "a", voter="y"), vote(2, "second", voter="x"),
             vote(2, "first", "b", "a", voter="y")]  # fmt: skip
    assert measure_voter_agreement(votes).alpha == 1


def test_agreement_without_repeated_pairs_is_unknown() -> None:
    assert measure_voter_agreement([vote(1, "first"), vote(2, "tie")]).alpha is None
    assert measure_voter_agreement([vote(1, "first", voter="x"), vote(1, "first", voter="y")]).alpha is None


def test_the_effect_of_latency_is_fitted_in_the_recorded_arm() -> None:
    rng = np.random.default_rng(0)
    votes = []
    for number in range(2000):
        waits = rng.choice([1.0, 2.0, 8.0], size=2)
        recorded = number % 2 == 0
        advantage = 0.5 + (0.4 * math.log2(waits[1] / waits[0]) if recorded else 0)
        choice: VoteChoice = "first" if rng.random() < 1 / (1 + math.exp(-advantage)) else "second"
        one = vote(number, choice, voter=f"v{number % 50}")
        left, right = (AnswerRecord(model, wait_s=float(wait)) for model, wait in zip("ab", waits, strict=True))
        arm: ExperimentArm = "recorded" if recorded else "equal"
        votes.append(replace(one, pair=replace(one.pair, first=left, second=right, arm=arm)))
    summary = summarize_votes(votes, {})
    assert summary.latency
    assert summary.recorded_votes == 1000
    value, (low, high) = summary.latency
    assert low < 0.4 < high
    assert value == pytest.approx(0.4, abs=0.12)


def test_judges_and_people_are_apart() -> None:
    votes = [
        vote(1, "first"),
        vote(2, "second"),
        vote(3, "first", voter="model:m", kind="model"),
        vote(3, "second", "b", "a", voter="model:m", kind="model"),
        vote(4, "tie", voter="model:n", kind="model"),
    ]
    groups = summarize_votes_of_people_and_judges(votes, {})
    assert [(group.judge, group.votes, group.dependence) for group in groups] == [
        ("", 2, "vote"), ("model:m", 2, "problem"), ("model:n", 1, "problem"),
    ]  # fmt: skip


def test_rank_correlation_needs_two_models() -> None:
    assert rank_correlation({"a": 1.0, "b": 0.0, "c": -1.0}, {"a": 0.9, "b": 0.5, "c": 0.1}) == 1
    assert rank_correlation({"a": 1.0, "b": 0.0}, {"a": 0.2, "b": 0.9}) == -1
    assert rank_correlation({"a": 1.0, "b": 0.0}, {"a": 0.2}) is None
    assert rank_correlation({"a": 1.0, "b": 0.0}, {"a": 0.2, "b": 0.2}) is None
