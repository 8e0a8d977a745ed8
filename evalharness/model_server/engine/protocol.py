"""Protocols of a generation engine, as the model server uses it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.engine.job import GenerationJob, JobUpdate


@dataclass(frozen=True)
class EngineLoad:
    """The load of an engine: its numbers of running and waiting completions, and the time until a client may retry."""

    running: int
    """Completions in the engine's batch."""
    waiting: int
    retry_after_s: int
    """Estimated seconds until about half of all completions have ended, after which a client may retry."""


class Generation(Protocol):
    """The completions of one request while an engine generates them: an asynchronous iterator over their updates."""

    def __aiter__(self) -> AsyncIterator[tuple[int, JobUpdate]]:
        """Yields (job number, update) pairs until every job of the request has ended."""
        ...

    def cancel(self) -> None:
        """Cancels the jobs that have not ended. Safe to call at any time."""
        ...


class Engine(Protocol):
    """Generates completions for the model server. For use in one event loop."""

    @property
    def name(self) -> str:
        """The served model's name."""

    @property
    def decoding_methods(self) -> tuple[str, ...]:
        """Decoding methods of the model (`ar`, `diffusion`), the default first."""

    @property
    def context_length(self) -> int | None:
        """Context length: maximum number of tokens of prompt and answer together; None if unknown."""

    @property
    def can_infill(self) -> bool:
        """Whether the model can infill (FIM)."""

    @property
    def detokenizer(self) -> Detokenizer | None:
        """Converts token ids to text; None if the engine reports no tokens before a completion ends."""

    def current_load(self) -> EngineLoad:
        """Returns the numbers of running and waiting completions."""
        ...

    async def submit(self, jobs: Sequence[GenerationJob], arrival_time: float) -> Generation:
        """Queues the jobs of one request; returns an asynchronous iterator over their updates.

        `arrival_time`: the `time.perf_counter()` at which the request arrived. Raises RequestRefused for a job that the
        engine does not support, and if the queue is full.
        """
        ...

    def close(self) -> None:
        """Stops the engine and frees the model. Safe to call twice."""
        ...
