"""Problems (items of a benchmark) and the prompts that backends receive for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Key = tuple[str, int]
"""The identity of a sample: (task_id, sample_id)."""

MiddleLength = Literal["free", "oracle", "canvas", "search"]
"""How the length of an infilled middle is determined. It affects the score of a model that denoises a canvas.

free: the model generates from left to right until its end token. oracle: the middle has as many tokens as the
reference's, which reveals a part of the answer. canvas: always `max_new_tokens`, cut at the first end token. search:
the backend searches for the length, up to `max_new_tokens`.
"""


@dataclass(frozen=True)
class Message:
    """One message of a chat prompt: its role and its text."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class MiddleLengthOracle:
    """Infilling: gives a backend the length of the official solution's middle, but not the text."""

    _text: str = field(repr=False)

    def length(self, count_tokens: Callable[[str], int]) -> int:
        """Returns the length of the official solution's middle, as `count_tokens` measures it."""
        return count_tokens(self._text)


@dataclass(frozen=True)
class Prompt:
    """What a backend receives for a problem: text to continue, chat messages, or prefix and suffix to infill.

    Either `text` (for infilling, the prefix) or `messages` is set. The completion ends before the first stop sequence.
    """

    text: str | None = None
    """The text to continue; for infilling, the prefix."""
    messages: tuple[Message, ...] = ()
    prefill: str = ""
    """The beginning of the assistant's answer, for backends that can continue one. The completion excludes it."""
    stops: tuple[str, ...] = ()
    """Stop sequences."""
    suffix: str | None = None
    """Infilling only: the text after the middle. None for a prompt that is continued or answered."""
    middle_length: MiddleLength = "free"
    """Infilling only: how the length of the middle is determined."""
    oracle: MiddleLengthOracle | None = None
    """Set only where `middle_length` is "oracle"."""


@dataclass(frozen=True)
class Problem:
    """One item of a benchmark: its prompt, official solution and data."""

    task_id: str
    prompt: Prompt
    record: Mapping[str, Any]
    """The item as the benchmark's data file has it."""
    reference: str | None
    """The official solution as a whole program; None where none is published."""
    entry_point: str = ""
    """The function that the tests call; empty if there is none."""
    prefix: str = ""
    """The program text before a completion."""
    suffix: str = ""
    """The program text after a completion; empty except for infilling."""
    facets: Mapping[str, str] = field(default_factory=dict)
    """The problem's categories, such as {"month": "2024-08"}. Reports show a pass rate for each."""
    accepts_programs: bool = False
    """Whether a line of a samples file may have `program`: the complete text to run, tests included."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a backend: to generate completion number `sample_id` (counted from 0) for a problem."""

    problem: Problem
    sample_id: int

    @property
    def key(self) -> Key:
        """The identity of the requested sample: (task_id, sample_id)."""
        return (self.problem.task_id, self.sample_id)
