"""What the arena records: a pair of answers that a voter is shown, and the vote on it."""

from dataclasses import dataclass
from typing import Literal

Choice = Literal["first", "second", "tie", "both_bad", "skip"]
"""What a voter says of the two answers. `skip` is no judgement and is in no statistic."""
CHOICES: tuple[Choice, ...] = ("first", "second", "tie", "both_bad", "skip")
Arm = Literal["equal", "recorded", "live"]
"""How the answers appear. equal: both at once, at once. recorded: each at the speed at which its model wrote it.
live: both at once, when both models have answered."""
ARMS: tuple[Arm, ...] = ("equal", "recorded", "live")
VoterKind = Literal["person", "model"]
PairKey = tuple[str, str, tuple[str, int], tuple[str, int]]
"""Task, problem, and the two answers as (model, sample_id), sorted: the same for both orders of the answers."""


@dataclass(frozen=True)
class Side:
    """One of the two answers of a pair. What is not known is None."""

    model: str
    """The label of the model, as in the reports."""
    sample_id: int = 0
    passed: bool | None = None
    """Whether the sandbox passed it."""
    status: str | None = None
    """The status of the sandbox's verdict."""
    total_s: float | None = None
    """End-to-end latency of the model, in seconds."""
    output_tokens: int | None = None
    wait_s: float = 0.0
    """Seconds from the appearance of the pair until the whole answer was visible; 0 except in the arm `recorded`."""


@dataclass(frozen=True)
class Pair:
    """Two answers in the order in which a voter is shown them."""

    id: str
    """Random, so that it says nothing about the models."""
    task: str
    task_id: str
    first: Side
    """The left or upper answer."""
    second: Side
    voter: str
    """A name or a random id; empty where it is not known."""
    arm: Arm = "equal"
    voter_kind: VoterKind = "person"
    drawn_at: str = ""
    """When the pair was drawn, in UTC."""

    @property
    def key(self) -> PairKey:
        """What makes two pairs the same, whatever their order."""
        answers = sorted((side.model, side.sample_id) for side in (self.first, self.second))
        return (self.task, self.task_id, answers[0], answers[1])


@dataclass(frozen=True)
class Vote:
    """A voter's choice; one row of `votes.jsonl`, which has the fields of the pair, too."""

    pair: Pair
    choice: Choice
    ms: int | None = None
    """Milliseconds from the moment at which both answers were visible to the vote; None where it is not known."""
    voted_at: str = ""
    """In UTC."""
