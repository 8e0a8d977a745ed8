"""Converts the arena's pairs and votes to JSON objects and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, cast

from evalharness.arena.records import ARMS, CHOICES, Pair, Side, Vote
from evalharness.errors import UserError
from evalharness.util.text import one_line

MAX_VOTER = 64
"""Most characters of a voter's name."""
MODEL_VOTER = "model:"
"""The names of models as voters begin with it."""


def utc_now() -> str:
    """Returns the current time in UTC, for example 2026-01-31T12:00:00.123Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pair_row(pair: Pair) -> dict[str, Any]:
    """Returns an arena pair as a JSON object."""
    return {**asdict(pair), "first": _side_row(pair.first), "second": _side_row(pair.second)}


def vote_row(vote: Vote) -> dict[str, Any]:
    """Returns an arena vote as a JSON object, which also has the fields of its pair."""
    return {**pair_row(vote.pair), "choice": vote.choice, "ms": vote.ms, "voted_at": vote.voted_at}


def pair_of(row: Mapping[str, Any]) -> Pair:
    """Parses the arena pair of a JSON object. Raises ValueError with the reason if it is invalid."""
    known = {field.name for field in fields(Pair)}
    try:
        values = {key: value for key, value in row.items() if key in known}
        pair = Pair(**{**values, "first": _side_from_row(row["first"]), "second": _side_from_row(row["second"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field is missing or of the wrong type ({error})") from None
    _check_pair(pair)
    return pair


def vote_of(row: Mapping[str, Any]) -> Vote:
    """Returns the arena vote in a JSON object. Raises ValueError with the reason if it is invalid."""
    pair, choice, ms = pair_of(row), row.get("choice"), row.get("ms")
    if choice not in CHOICES:
        raise ValueError(f"the field choice is {choice!r}, not one of {', '.join(CHOICES)}")
    if ms is not None and (not isinstance(ms, int) or ms < 0):
        raise ValueError(f"the field ms (milliseconds until the vote) is {ms!r}, not a whole number of at least 0")
    return Vote(pair, choice, ms, str(row.get("voted_at") or ""))


def is_model_voter(name: str) -> bool:
    """Returns whether a voter's name is reserved for models as judges."""
    return name.casefold().startswith(MODEL_VOTER)


def voter_name(text: str) -> str:
    """Returns a voter's name with normalized spaces. Raises UserError if it is empty, too long or unprintable."""
    name = one_line(text)
    if not name or len(name) > MAX_VOTER or not name.isprintable():
        raise UserError(f"a voter's name must have 1 to {MAX_VOTER} printable characters; enter another name")
    if is_model_voter(name):
        raise UserError("a voter's name must not begin with `model:`, which marks models as judges; enter another name")
    return name


def _check_pair(pair: Pair) -> None:
    texts = (pair.id, pair.task, pair.task_id, pair.voter, pair.drawn_at, pair.first.model, pair.second.model)
    if not all(isinstance(text, str) for text in texts) or not pair.id:
        raise ValueError("one of the fields id, task, task_id, voter and model is not a text")
    if pair.first.model == pair.second.model:
        raise ValueError(
            f"both answers are of model {pair.first.model!r}, but the two answers of a pair come from different models"
        )
    if pair.arm not in ARMS:
        raise ValueError(f"the field arm is {pair.arm!r}, not one of {', '.join(ARMS)}")
    if pair.voter_kind not in ("person", "model"):
        raise ValueError(f"the field voter_kind is {pair.voter_kind!r}, not person or model")
    if is_model_voter(pair.voter) != (pair.voter_kind == "model"):
        raise ValueError(
            f"voter_kind is {pair.voter_kind!r} and voter is {pair.voter!r}: names of models, and no others, begin "
            f"with {MODEL_VOTER}"
        )


def _side_row(side: Side) -> dict[str, Any]:
    return {key: value for key, value in asdict(side).items() if value is not None}


def _side_from_row(row: Mapping[str, Any]) -> Side:
    known = {field.name for field in fields(Side)}
    return Side(**cast(dict[str, Any], {key: value for key, value in row.items() if key in known}))
