"""The folder of votes: no vote is lost or doubled, with several writers and after kills."""

import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.arena_runs import pair, vote, write_votes
from hypothesis import given
from hypothesis import strategies as st

from evalharness.arena.records import AnswerRecord
from evalharness.arena.rows import pair_to_json, parse_pair, parse_vote, parse_voter_name, vote_to_json
from evalharness.arena.store import VOTES, VoteStore
from evalharness.errors import UserError


def test_votes_are_read_again_in_their_order(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes")
    cast = [vote(number, choice) for number, choice in enumerate(("first", "tie", "skip", "both_bad", "second"))]  # type: ignore[arg-type]
    for one in cast:
        store.add_pair(one.pair)
        store.add_vote(one)
    assert VoteStore(tmp_path / "votes").votes() == cast


def test_the_first_vote_of_a_pair_counts(tmp_path: Path) -> None:
    store = VoteStore(tmp_path)
    first = vote(1, "first")
    assert store.add_vote(first) == first
    assert store.add_vote(replace(first, choice="second")) == first
    assert len((tmp_path / VOTES).read_text().splitlines()) == 1


def test_a_row_that_was_cut_by_a_kill_is_removed_and_can_be_written_again(tmp_path: Path) -> None:
    store = VoteStore(tmp_path)
    store.add_vote(vote(1, "first"))
    line = json.dumps(vote_to_json(vote(2, "tie"))).encode()
    for cut in (1, len(line) // 2, len(line)):
        with (tmp_path / VOTES).open("ab") as file:
            file.write(line[:cut])
        again = VoteStore(tmp_path)
        assert again.votes() == [vote(1, "first")]
    again.add_vote(vote(2, "tie"))
    assert VoteStore(tmp_path).votes() == [vote(1, "first"), vote(2, "tie")]


def test_an_open_pair_is_shown_again_after_a_restart(tmp_path: Path) -> None:
    store = VoteStore(tmp_path)
    store.add_pair(pair(1))
    assert VoteStore(tmp_path).pending_pair("Ada") == pair(1)
    assert VoteStore(tmp_path).pending_pair("Bob") is None
    store.add_vote(replace(vote(1, "first"), pair=pair(1)))
    assert VoteStore(tmp_path).pending_pair("Ada") is None


def test_processes_and_threads_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_votes, args=(tmp_path, f"process {number}")) for number in range(2)]
    for process in processes:
        process.start()
    store = VoteStore(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: store.add_vote(vote(number, "tie", voter="Eve")), range(100)))
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    votes = store.votes()
    assert len(votes) == 180 == len({one.pair.id for one in votes})
    assert VoteStore(tmp_path).votes() == votes


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    VoteStore(tmp_path).add_vote(vote(1, "first"))
    with (tmp_path / VOTES).open("a") as file:
        file.write(json.dumps({**vote_to_json(vote(2, "tie")), "choice": "neither"}) + "\n")
    with pytest.raises(UserError, match=r"votes.jsonl, line 2 is not a valid vote or pair: .* 'neither'"):
        VoteStore(tmp_path)


sides = st.builds(
    AnswerRecord, st.text(min_size=1), st.integers(0, 9), st.none() | st.booleans(), st.none() | st.text(),
    st.none() | st.floats(0, 100), st.none() | st.integers(0, 99), st.floats(0, 60),
)  # fmt: skip


@given(sides, sides, st.text(), st.sampled_from(["equal", "recorded", "live"]))
def test_rows_are_read_as_they_were_written(first: AnswerRecord, second: AnswerRecord, voter: str, arm: str) -> None:
    drawn = replace(pair(1), first=first, second=second, voter=voter, arm=arm)  # type: ignore[arg-type]
    text = json.loads(json.dumps(pair_to_json(drawn)))
    if first.model == second.model:
        with pytest.raises(ValueError, match="both answers are from model"):
            parse_pair(text)
    else:
        assert parse_pair(text) == drawn
        assert parse_vote({**text, "choice": "tie"}).pair == drawn
        swapped = replace(drawn, first=second, second=first)
        assert swapped.key == drawn.key


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "x" * 65, "model:gpt", "Model:x"])
def test_impossible_voters_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="enter another name"):
        parse_voter_name(name)


def test_spaces_in_names_are_joined() -> None:
    assert parse_voter_name(" Ada   Lovelace\n") == "Ada Lovelace"
