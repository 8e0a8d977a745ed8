"""The arena's records: a pair of answers shown to a voter, and the vote on it."""

from dataclasses import dataclass
from typing import Literal

VoteChoice = Literal["first", "second", "tie", "both_bad", "skip"]
"""A voter's choice between two answers. `skip` expresses no preference and is left out of every statistic."""
CHOICES: tuple[VoteChoice, ...] = ("first", "second", "tie", "both_bad", "skip")
ExperimentArm = Literal["equal", "recorded", "live"]
"""How the two answers appear (the arm of the experiment). equal: both immediately. recorded: each at the speed at which
its model generated it. live: both, once both models have answered.
"""
ARMS: tuple[ExperimentArm, ...] = ("equal", "recorded", "live")
VoterKind = Literal["person", "model"]
PairKey = tuple[str, str, tuple[str, int], tuple[str, int]]
"""Identifies a pair: task, problem, and both answers as (model, sample_id), sorted: equal for both orders."""


@dataclass(frozen=True)
class AnswerRecord:
    """What the arena stores of one answer of a pair: model, verdict and timing, without text. None means unknown."""

    model: str
    """The label of the model, as in the reports."""
    sample_id: int = 0
    passed: bool | None = None
    """Whether the answer passed the task's tests in the sandbox."""
    status: str | None = None
    """The status of the sandbox's verdict."""
    total_s: float | None = None
    """End-to-end latency of the model, in seconds."""
    output_tokens: int | None = None
    wait_s: float = 0.0
    """Seconds from showing the pair until the whole answer was visible; 0 except in the arm `recorded`."""


@dataclass(frozen=True)
class AnswerPair:
    """Two answers to a problem in the order in which a voter sees them."""

    id: str
    """Random, so that it does not reveal the models."""
    task: str
    task_id: str
    first: AnswerRecord
    """The left or upper answer."""
    second: AnswerRecord
    voter: str
    """A name or a random id; empty if unknown."""
    arm: ExperimentArm = "equal"
    voter_kind: VoterKind = "person"
    drawn_at: str = ""
    """Time at which the pair was drawn, in UTC."""

    @property
    def key(self) -> PairKey:
        """The problem and both answers, which identify the pair; equal for both orders of the answers."""
        answers = sorted((side.model, side.sample_id) for side in (self.first, self.second))
        return (self.task, self.task_id, answers[0], answers[1])


@dataclass(frozen=True)
class Vote:
    """A voter's choice between the two answers of a pair; stored as a row of `votes.jsonl` with the pair's fields."""

    pair: AnswerPair
    choice: VoteChoice
    ms: int | None = None
    """Milliseconds from when both answers were visible until the vote; None if unknown."""
    voted_at: str = ""
    """Time of the vote, in UTC."""
