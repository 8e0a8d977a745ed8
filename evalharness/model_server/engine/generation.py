"""A queue of an engine's updates between the engine and the answer to one request."""

import asyncio
from collections.abc import AsyncIterator, Callable

from evalharness.model_server.engine.job import JobUpdate


class JobUpdateStream:
    """Implements `Generation`: stores the updates that the engine delivers until the event loop reads them."""

    def __init__(self, job_count: int, on_cancel: Callable[[], None], on_end: Callable[[], None]) -> None:
        """`on_cancel`: called once if unfinished jobs are cancelled; `on_end`: called once per ended job."""
        self._open = set(range(job_count))
        self._updates: asyncio.Queue[tuple[int, JobUpdate]] = asyncio.Queue()
        self._on_cancel, self._on_end = on_cancel, on_end

    def make_update_receiver(self, job_number: int) -> Callable[[JobUpdate], None]:
        """Returns the callback to which the engine passes each update of job `job_number` of the request."""

        def receive_update(update: JobUpdate) -> None:
            if job_number not in self._open:
                return
            if update.outcome or update.error:
                self._open.discard(job_number)
                self._on_end()
            self._updates.put_nowait((job_number, update))

        return receive_update

    def __aiter__(self) -> AsyncIterator[tuple[int, JobUpdate]]:
        return self._iterate_updates()

    async def _iterate_updates(self) -> AsyncIterator[tuple[int, JobUpdate]]:
        while self._open or not self._updates.empty():
            yield await self._updates.get()

    def cancel(self) -> None:
        """Cancels the jobs that have not ended."""
        if self._open:
            self._on_cancel()
            for _ in range(len(self._open)):
                self._on_end()
            self._open.clear()
