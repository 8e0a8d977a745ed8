"""Which pairs a voter sees: never twice, balanced, and where a vote tells most."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.arena_runs import MODELS, write_runs

from evalharness.arena.entrants import Entrants, check_entrants_are_comparable, load_entrants
from evalharness.arena.pair_choice import expected_information_gains
from evalharness.arena.records import AnswerPair
from evalharness.arena.service.session import VotingSession
from evalharness.arena.statistics.ballots import Ballots
from evalharness.arena.store import VoteStore
from evalharness.errors import UserError
from evalharness.report.runs import load_runs


@pytest.fixture(scope="module")
def entrants(tmp_path_factory: pytest.TempPathFactory) -> Entrants:
    return load_entrants(load_runs([write_runs(tmp_path_factory.mktemp("runs"))]))


def drawn(entrants: Entrants, folder: Path, votes: int, voters: int = 1, uniform: bool = False) -> list[AnswerPair]:
    """The pairs of voters who prefer the first model of the alphabet, four times of five."""
    session = VotingSession(entrants, VoteStore(folder), uniform=uniform, seed=1)
    rng = np.random.default_rng(2)
    for number in range(votes):
        voter = f"voter {number % voters}"
        view = session.next_pair(voter).pair
        assert view
        pair = session.store.find_pair(view.id)
        assert pair
        earlier = pair.first.model < pair.second.model
        session.record_vote(view.id, voter, "first" if earlier == (rng.random() < 0.8) else "second", 1)
    return session.store.pairs()


def test_a_voter_sees_each_pair_once_and_then_no_more(entrants: Entrants, tmp_path: Path) -> None:
    session = VotingSession(entrants, VoteStore(tmp_path), seed=0)
    keys = []
    while view := session.next_pair("Ada").pair:
        keys.append(session.store.pairs()[-1].key)
        session.record_vote(view.id, "Ada", "skip", None)
    assert len(keys) == len(set(keys)) == 3 * len(entrants.problems)
    assert session.next_pair("Bob").pair


def test_models_problems_and_sides_are_balanced(entrants: Entrants, tmp_path: Path) -> None:
    pairs = drawn(entrants, tmp_path, 120, voters=4)
    shown = Counter(side.model for pair in pairs for side in (pair.first, pair.second))
    assert max(shown.values()) < 1.5 * min(shown.values())
    problems = Counter(pair.task_id for pair in pairs)
    assert set(problems) == {task_id for _, task_id in entrants.problems}
    for first in shown:
        for second in shown:
            if first < second:
                lead = sum(
                    (pair.first.model == first) - (pair.first.model == second)
                    for pair in pairs
                    if {pair.first.model, pair.second.model} == {first, second}
                )
                assert abs(lead) <= 8


def test_uniform_draws_are_even(entrants: Entrants, tmp_path: Path) -> None:
    pairs = drawn(entrants, tmp_path, 144, voters=4, uniform=True)
    counts = Counter(frozenset((pair.first.model, pair.second.model)) for pair in pairs)
    assert len(counts) == 3
    assert max(counts.values()) < 2 * min(counts.values())


def test_more_votes_go_where_the_difference_is_uncertain() -> None:
    models = ("a", "b", "c", "d")
    first, second = [0, 1] * 45 + [2, 3] * 2, [1, 0] * 45 + [3, 2] * 2
    gains = expected_information_gains(Ballots.from_sequences(models, first, second, [0, 0, 1, 1] * 23 + [0, 0]))
    assert gains["a", "c"] > 5 * gains["a", "b"]
    assert gains["c", "d"] > 5 * gains["a", "b"]


def test_a_foregone_outcome_tells_less() -> None:
    votes = [(0, 1, 0)] * 40 + [(1, 2, 0), (1, 2, 1)] * 20 + [(0, 2, 0)] * 40
    gains = expected_information_gains(Ballots.from_sequences(("a", "b", "c"), *zip(*votes, strict=True)))
    assert gains["b", "c"] > gains["a", "c"]


def test_before_the_first_vote_all_pairs_are_alike() -> None:
    gains = expected_information_gains(Ballots.from_sequences(("a", "b", "c"), [], [], []))
    assert len(gains) == 3
    assert len(set(gains.values())) == 1


def test_equal_texts_are_not_shown(entrants: Entrants, tmp_path: Path) -> None:
    equal = Entrants(entrants.problems, entrants.measurements)
    for key in entrants.problems:
        for model in entrants.model_labels:
            for answer in entrants.answers(key, model):
                equal.add_answer(key, replace(answer, program="same", middle="same"))
    assert VotingSession(equal, VoteStore(tmp_path)).next_pair("Ada").pair is None


def test_one_model_alone_is_refused(tmp_path: Path) -> None:
    runs = write_runs(tmp_path)
    with pytest.raises(UserError, match="at least two models, but got 1 model"):
        check_entrants_are_comparable(load_entrants(load_runs([runs / "heron-7b"])))
    assert len(MODELS) == 3
