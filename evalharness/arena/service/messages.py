"""Requests and responses of the page's API. Before the vote, nothing in them depends on which model wrote an answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness.arena.records import Arm, Choice

LONGEST_VOTE_MS = 24 * 3600 * 1000


class PairRequest(BaseModel):
    """Body of POST /api/pair."""

    model_config = ConfigDict(extra="forbid")
    voter: str


class Timing(BaseModel):
    """When an answer appears, in the arm `recorded`: nothing until `first_s`, everything from `total_s`."""

    first_s: float
    total_s: float


class ShownAnswer(BaseModel):
    """An answer as the voter sees it."""

    text: str
    timing: Timing | None = None
    """Only in the arm `recorded`, where the time is what is studied."""


class PairView(BaseModel):
    """A pair before the vote."""

    id: str
    task: str
    task_id: str
    language: str
    form: Literal["continuation", "infilling", "program"]
    """Whether the answers continue `prefix`, stand between `prefix` and `suffix`, or are whole programs."""
    question: str
    """The text of the problem."""
    prefix: str
    suffix: str
    first: ShownAnswer
    second: ShownAnswer
    arm: Arm


class PairResponse(BaseModel):
    """Response to POST /api/pair."""

    pair: PairView | None
    """None where the voter has seen all pairs."""
    votes: int
    """Votes of this voter so far, skipped pairs included."""


class VoteRequest(BaseModel):
    """Body of POST /api/votes."""

    model_config = ConfigDict(extra="forbid")
    id: str
    """The id of the pair."""
    voter: str
    choice: Choice
    ms: int | None = Field(None, ge=0, le=LONGEST_VOTE_MS)


class RevealedSide(BaseModel):
    """What the voter learns of an answer after the vote."""

    model: str
    status: str | None
    total_s: float | None
    output_tokens: int | None


class Reveal(BaseModel):
    """Response to POST /api/votes."""

    choice: Choice
    """The choice that counts: the first one for this pair."""
    first: RevealedSide
    second: RevealedSide
    votes: int


class Health(BaseModel):
    """Response to GET /health."""

    status: str
    version: str
    votes: int
