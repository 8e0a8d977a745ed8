"""JSON requests and responses of the arena's voting page. Before the vote they do not reveal the models."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness.arena.records import ExperimentArm, VoteChoice

LONGEST_VOTE_MS = 24 * 3600 * 1000


class PairRequest(BaseModel):
    """Body of POST /api/pair, the request for a voter's next pair of answers."""

    model_config = ConfigDict(extra="forbid")
    voter: str


class ReplayTiming(BaseModel):
    """When the parts of a replayed answer appear, in seconds after the pair is shown.

    A replay shows an answer at the speed at which its model generated it: the first text appears at `first_s`, and the
    whole answer is visible at `total_s`.
    """

    first_s: float
    total_s: float


class ShownAnswer(BaseModel):
    """An answer as the voting page shows it, without the model's name."""

    text: str
    timing: ReplayTiming | None = None
    """None unless the pair's arm (experimental condition) is `recorded`, which measures the effect of speed on
    votes.
    """


class PairView(BaseModel):
    """A pair of answers as the voting page shows it before the vote."""

    id: str
    task: str
    task_id: str
    language: str
    form: Literal["continuation", "infilling", "program"]
    """Whether the answers continue `prefix`, fill in between `prefix` and `suffix`, or are whole programs."""
    question: str
    """The problem statement."""
    prefix: str
    suffix: str
    first: ShownAnswer
    second: ShownAnswer
    arm: ExperimentArm


class PairResponse(BaseModel):
    """Response to POST /api/pair: the next pair of answers for a voter."""

    pair: PairView | None
    """None if the voter has seen all pairs."""
    votes: int
    """Votes of this voter so far, skipped pairs included."""


class VoteRequest(BaseModel):
    """Body of POST /api/votes: a voter's choice between the answers of a pair."""

    model_config = ConfigDict(extra="forbid")
    id: str
    """The id of the pair."""
    voter: str
    choice: VoteChoice
    ms: int | None = Field(None, ge=0, le=LONGEST_VOTE_MS)


class RevealedAnswer(BaseModel):
    """The model, verdict and speed of an answer, revealed after the vote."""

    model: str
    status: str | None
    total_s: float | None
    output_tokens: int | None


class VoteResponse(BaseModel):
    """Response to POST /api/votes: which models wrote the two answers."""

    choice: VoteChoice
    """The recorded choice: the first vote on a pair is final."""
    first: RevealedAnswer
    second: RevealedAnswer
    votes: int


class HealthResponse(BaseModel):
    """Response to GET /health of the arena's voting page."""

    status: str
    version: str
    votes: int
