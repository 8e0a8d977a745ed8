"""Converts the arena's pairs and votes to JSON objects and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, cast

from evalharness.arena.records import ARMS, CHOICES, AnswerPair, PairSide, Vote
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
    """Returns an arena pair as a JSON object."""
    return {**asdict(pair), "first": _side_to_json(pair.first), "second": _side_to_json(pair.second)}


def vote_to_json(vote: Vote) -> dict[str, Any]:
    """Returns an arena vote as a JSON object, which also has the fields of its pair."""
    return {**pair_to_json(vote.pair), "choice": vote.choice, "ms": vote.ms, "voted_at": vote.voted_at}


def parse_pair(row: Mapping[str, Any]) -> AnswerPair:
    """Parses the arena pair of a JSON object. Raises ValueError with the reason if it is invalid."""
    field_names = {field.name for field in fields(AnswerPair)}
    try:
        values = {key: value for key, value in row.items() if key in field_names}
        pair = AnswerPair(**{**values, "first": _parse_side(row["first"]), "second": _parse_side(row["second"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field is missing or of the wrong type ({error})") from None
    _check_pair(pair)
    return pair


def parse_vote(row: Mapping[str, Any]) -> Vote:
    """Returns the arena vote in a JSON object. Raises ValueError with the reason if it is invalid."""
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
    """Returns a voter's name with normalized spaces.

    Raises UserError if it is empty, too long, unprintable, or begins with `model:`.
    """
    name = one_line(text)
    if not name or len(name) > MAX_VOTER or not name.isprintable():
        raise UserError(f"a voter's name must have 1 to {MAX_VOTER} printable characters; enter another name")
    if is_model_voter(name):
        raise UserError("a voter's name must not begin with `model:`, which marks judge models; enter another name")
    return name


def _check_pair(pair: AnswerPair) -> None:
    texts = (pair.id, pair.task, pair.task_id, pair.voter, pair.drawn_at, pair.first.model, pair.second.model)
    if not all(isinstance(text, str) for text in texts) or not pair.id:
        raise ValueError(
            "one of the fields id, task, task_id, voter, drawn_at and model is not a string, or id is empty"
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
            f"of a voter begins with {MODEL_VOTER} if and only if it is a model"
        )


def _side_to_json(side: PairSide) -> dict[str, Any]:
    return {key: value for key, value in asdict(side).items() if value is not None}


def _parse_side(row: Mapping[str, Any]) -> PairSide:
    field_names = {field.name for field in fields(PairSide)}
    return PairSide(**cast(dict[str, Any], {key: value for key, value in row.items() if key in field_names}))
