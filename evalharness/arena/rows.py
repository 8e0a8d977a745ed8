"""Converts the arena's pairs and votes to JSON objects and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, cast

from evalharness.arena.records import ARMS, CHOICES, AnswerPair, AnswerRecord, Vote
from evalharness.errors import UserError
from evalharness.util.text import one_line

MAX_VOTER = 64
"""Maximum number of characters of a voter's name."""
MODEL_VOTER = "model:"
"""Prefix of the names of judge models as voters."""


def utc_now() -> str:
    """Returns the current time in UTC, for example 2026-01-31T12:00:00.123Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pair_to_json(pair: AnswerPair) -> dict[str, Any]:
    """Returns the JSON object that stores a pair of answers."""
    return {**asdict(pair), "first": _answer_record_to_json(pair.first), "second": _answer_record_to_json(pair.second)}


def vote_to_json(vote: Vote) -> dict[str, Any]:
    """Returns the JSON object that stores a vote, with the fields of its pair of answers."""
    return {**pair_to_json(vote.pair), "choice": vote.choice, "ms": vote.ms, "voted_at": vote.voted_at}


def parse_pair(row: Mapping[str, Any]) -> AnswerPair:
    """Returns the pair of answers that a JSON object stores. Raises ValueError with the reason if it is invalid."""
    field_names = {field.name for field in fields(AnswerPair)}
    try:
        values = {key: value for key, value in row.items() if key in field_names}
        values |= {"first": _parse_answer_record(row["first"]), "second": _parse_answer_record(row["second"])}
        pair = AnswerPair(**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field of the pair of answers is missing or has the wrong type ({error})") from None
    _check_pair_fields(pair)
    return pair


def parse_vote(row: Mapping[str, Any]) -> Vote:
    """Returns the vote that a JSON object stores. Raises ValueError with the reason if it is invalid."""
    pair, choice, ms = parse_pair(row), row.get("choice"), row.get("ms")
    if choice not in CHOICES:
        raise ValueError(f"the field choice is {choice!r}, but must be one of {', '.join(CHOICES)}")
    if ms is not None and (not isinstance(ms, int) or ms < 0):
        raise ValueError(f"the field ms (milliseconds until the vote) is {ms!r}, but must be an integer of at least 0")
    return Vote(pair, choice, ms, str(row.get("voted_at") or ""))


def is_model_voter(voter_name: str) -> bool:
    """Returns whether a voter's name begins with `model:`, which is reserved for judge models."""
    return voter_name.casefold().startswith(MODEL_VOTER)


def parse_voter_name(text: str) -> str:
    """Returns the voter's name that a user entered, with single spaces between words.

    Raises UserError if it is empty, too long or unprintable, or begins with `model:`.
    """
    name = one_line(text)
    if not name or len(name) > MAX_VOTER or not name.isprintable():
        raise UserError(f"a voter's name must have 1 to {MAX_VOTER} printable characters; enter another name")
    if is_model_voter(name):
        raise UserError("a voter's name must not begin with `model:`, which marks judge models; enter another name")
    return name


def _check_pair_fields(pair: AnswerPair) -> None:
    texts = (pair.id, pair.task, pair.task_id, pair.voter, pair.drawn_at, pair.first.model, pair.second.model)
    if not all(isinstance(text, str) for text in texts) or not pair.id:
        raise ValueError(
            "the fields id, task, task_id, voter, drawn_at and model of a pair of answers must be strings, and id must "
            "not be empty"
        )
    if pair.first.model == pair.second.model:
        raise ValueError(f"both answers are from model {pair.first.model!r}, but a pair compares two different models")
    if pair.arm not in ARMS:
        raise ValueError(f"the field arm is {pair.arm!r}, but must be one of {', '.join(ARMS)}")
    if pair.voter_kind not in ("person", "model"):
        raise ValueError(f"the field voter_kind is {pair.voter_kind!r}, but must be person or model")
    if is_model_voter(pair.voter) != (pair.voter_kind == "model"):
        raise ValueError(
            f"the fields voter_kind ({pair.voter_kind!r}) and voter ({pair.voter!r}) contradict each other: the name "
            f"of a judge model begins with {MODEL_VOTER}, that of a person does not"
        )


def _answer_record_to_json(record: AnswerRecord) -> dict[str, Any]:
    return {key: value for key, value in asdict(record).items() if value is not None}


def _parse_answer_record(row: Mapping[str, Any]) -> AnswerRecord:
    field_names = {field.name for field in fields(AnswerRecord)}
    return AnswerRecord(**cast(dict[str, Any], {key: value for key, value in row.items() if key in field_names}))
