"""What the server needs from an engine."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.engine.job import Job, Update


@dataclass(frozen=True)
class EngineLoad:
    """How busy an engine is."""

    running: int
    """Rows in the batch."""
    waiting: int
    retry_s: int
    """Seconds in which about half of the waiting rows should have been answered."""


class Generation(Protocol):
    """The completions of one request while they are generated."""

    def __aiter__(self) -> AsyncIterator[tuple[int, Update]]:
        """Yields updates, each with the number of its job, until every job has ended."""
        ...

    def cancel(self) -> None:
        """Stops what has not ended. Safe to call at any time."""
        ...


class Engine(Protocol):
    """Generates completions. For use in one event loop."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways of decoding that the model has, the default one first."""

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and answer together; None if it is not known."""

    @property
    def infills(self) -> bool:
        """Whether the model can infill."""

    @property
    def detokenizer(self) -> Detokenizer | None:
        """Converts tokens to text; None if the engine reports no tokens before the end."""

    def load(self) -> EngineLoad:
        """Returns how busy the engine is."""
        ...

    async def start(self, jobs: Sequence[Job], arrived: float) -> Generation:
        """Starts to generate the completions of one request.

        `arrived` is the `time.perf_counter()` of the request. Raises RequestRefused for a job that the engine cannot
        do, and if the queue is full.
        """
        ...

    def close(self) -> None:
        """Stops the engine and frees the model. Safe to call twice."""
        ...
