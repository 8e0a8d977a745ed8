"""Votes as CSV: what is exported is imported as it was, Copilot Arena's columns, and files that are neither."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.arena_runs import vote
from hypothesis import given
from hypothesis import strategies as st

from evalharness.arena.exchange import COLUMNS, export_votes, import_votes, read_votes
from evalharness.arena.records import CHOICES, AnswerPair, AnswerRecord, Vote
from evalharness.arena.statistics.summary import summarize_votes
from evalharness.arena.store import VoteStore
from evalharness.errors import UserError

Command = Callable[..., Any]
COPILOT_COLUMNS = ("prefix", "suffix", "model_a", "model_b", "acceptedIndex", "completion_a", "completion_b")


def write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9)
sides = st.builds(
    AnswerRecord, texts, st.integers(0, 9), st.none() | st.booleans(), st.none() | texts,
    st.none() | st.floats(0.001, 100), st.none() | st.integers(0, 99), st.floats(0, 60),
)  # fmt: skip
votes = st.builds(
    lambda first, second, voter, choice, ms, number: Vote(
        AnswerPair(f"id {number}", "a, b", 'c "d"\n', first, second, voter), choice, ms, "now"
    ),
    sides, sides, texts, st.sampled_from(CHOICES), st.none() | st.integers(0, 99), st.integers(),
).filter(lambda vote: vote.pair.first.model != vote.pair.second.model)  # fmt: skip


@given(st.lists(votes, max_size=4, unique_by=lambda vote: vote.pair.id))
def test_what_is_exported_is_imported_as_it_was(tmp_path_factory: pytest.TempPathFactory, cast: list[Vote]) -> None:
    folder = tmp_path_factory.mktemp("votes")
    store = VoteStore(folder / "old")
    for one in cast:
        store.add_vote(one)
    assert export_votes(store, folder / "votes.csv") == len(cast)
    new = VoteStore(folder / "new")
    assert import_votes(folder / "votes.csv", new) == (len(cast), 0, 0)
    assert new.votes() == cast
    assert import_votes(folder / "votes.csv", new) == (0, len(cast), 0)


def test_three_columns_are_enough(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [("a", "b", "first"), ("b", "a", "tie"), ("a", "b", "first")]
    path = write_csv(tmp_path / "v.csv", ("first_model", "second_model", "choice"), rows)
    assert [vote.choice for vote in read_votes(path)[0]] == ["first", "tie", "first"]
    store = VoteStore(tmp_path / "votes")
    assert import_votes(path, store).added == 3
    assert import_votes(path, store).duplicates == 3


def test_copilot_arenas_columns_are_read(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [
        ("import os\n", "", "m1", "m2", "0.0", "a", "b"),
        ("import os\n", "", "m2", "m1", "1.0", "a", "b"),
        ("x", "", "m1", "m2", "", "a", "b"),
        ("x", "", "m1", "m1", "0.0", "a", "b"),
    ]
    store = VoteStore(tmp_path / "votes")
    assert import_votes(write_csv(tmp_path / "c.csv", COPILOT_COLUMNS, rows), store) == (2, 0, 2)
    assert [(vote.pair.first.model, vote.choice) for vote in store.votes()] == [("m1", "first"), ("m2", "second")]
    assert {vote.pair.voter for vote in store.votes()} == {""}
    bad = write_csv(tmp_path / "bad.csv", COPILOT_COLUMNS, [("x", "", "m1", "m2", "2", "a", "b")])
    with pytest.raises(UserError, match="row 1: column acceptedIndex is '2', but must be 0 or 1"):
        read_votes(bad)


@pytest.mark.data
def test_copilot_arenas_published_votes_have_a_position_term(datasets_dir: Path, tmp_path: Path) -> None:
    path = datasets_dir / "copilot_arena" / "copilot_arena_examples_v1.csv"
    if not path.exists():
        pytest.skip(f"put data/copilot_arena_examples_v1.csv of the repository lmarena/copilot-arena at {path}")
    store = VoteStore(tmp_path)
    assert import_votes(path, store) == (112, 0, 1)
    summary = summarize_votes(store.votes(), {})
    assert summary.first_share == (92, 112)
    assert summary.dependence == "vote"
    assert summary.position[1][0] > 0


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (("a", "b"), ("1", "2"), "no column first_model, second_model, choice; give a CSV file"),
        (
            ("first_model", "second_model", "choice"),
            ("a", "b", "left"),
            "row 1: the field choice is 'left', but must be one of first",
        ),
        (("first_model", "second_model", "choice"), ("a", "a", "tie"), "row 1: both answers are from model 'a'"),
        (
            ("first_model", "second_model", "choice", "ms"),
            ("a", "b", "tie", "1.5"),
            "column ms is '1.5', but must be a number",
        ),
        (
            ("first_model", "second_model", "choice", "first_passed"),
            ("a", "b", "tie", "yes"),
            "but must be true or false",
        ),
        (
            ("first_model", "second_model", "choice", "arm"),
            ("a", "b", "tie", "fast"),
            "arm is 'fast', but must be one of",
        ),
        (
            ("first_model", "second_model", "choice", "voter"),
            ("a", "b", "tie", "model:m"),
            "begins with model:, that of a person does not",
        ),
        (("first_model", "second_model", "choice", "voter_kind"), ("a", "b", "tie", "model"), "contradict each other"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, columns: tuple[str, ...], row: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_votes(write_csv(tmp_path / "x.csv", columns, [row]))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="cannot be read as CSV"):
        read_votes(tmp_path / "x.csv")


def test_the_commands_export_and_import(tmp_path: Path, cli: Command) -> None:
    store = VoteStore(tmp_path / "votes")
    for number in range(3):
        store.add_vote(vote(number, "first"))
    done = cli("arena", "export", "--votes", tmp_path / "votes", "--out", tmp_path / "v.csv")
    assert (done.returncode, done.stdout) == (0, f"3 votes written to {tmp_path / 'v.csv'}\n")
    assert (tmp_path / "v.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    done = cli("arena", "import", tmp_path / "v.csv", "--votes", tmp_path / "new")
    assert done.stdout == f"3 votes added to {tmp_path / 'new'}\n"
    done = cli("arena", "export", "--votes", tmp_path / "none", "--out", tmp_path / "w.csv")
    assert done.returncode == 2
    assert "has no votes; give the folder" in done.stderr
