"""Runs coroutines in a thread of their own, a bounded number at once, for a caller that is not asynchronous."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_GRACE_S = 5.0


class LoopThread:
    """An event loop in a thread, so that answers are read and timed while the caller does other work.

    Tasks can be cancelled while they wait for the network, which a blocked thread cannot be. `ending` is awaited in
    the loop after everything was cancelled. The thread is a daemon: nothing keeps the process from ending.
    """

    def __init__(self, ending: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._ending = ending
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-requests", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begins the work; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(self._tracked(work), self._loop)

    async def _tracked(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work
        finally:
            self._tasks.discard(task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Cancels what is outstanding and ends the thread; waits at most a few seconds for a task that will not end."""
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._wind_down(), self._loop).result(_GRACE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_GRACE_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _wind_down(self) -> None:
        # Only its own tasks: those that the network library started end with them, in the library's order.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._ending()
        await self._loop.shutdown_asyncgens()


def as_finished(
    items: Iterable[Item], work: Callable[[Item], Coroutine[Any, Any, Result]], width: int, thread: LoopThread
) -> Generator[tuple[Item, Result], None, None]:
    """Yields (item, result) as they finish, with at most `width` items pulled and not yet yielded.

    Items are pulled in the caller's thread. When `work` raises, nothing more is pulled, the results that are
    already there are yielded, and the exception is raised.
    """
    source = iter(items)
    pending: dict[Future[Result], Item] = {}
    finished: SimpleQueue[Future[Result]] = SimpleQueue()

    def fill() -> None:
        for item in islice(source, width - len(pending)):
            future = thread.submit(work(item))
            pending[future] = item
            future.add_done_callback(finished.put)

    fill()
    while pending:
        future = finished.get()
        item = pending.pop(future)
        if (failure := future.exception()) is not None:
            yield from _left(finished, pending)
            raise failure
        fill()
        yield item, future.result()


def _left(
    finished: "SimpleQueue[Future[Result]]", pending: dict[Future[Result], Item]
) -> Iterator[tuple[Item, Result]]:
    """The results that are in the queue, without those that failed."""
    with suppress(Empty):
        while True:
            future = finished.get_nowait()
            if future.exception() is None:
                yield pending[future], future.result()
