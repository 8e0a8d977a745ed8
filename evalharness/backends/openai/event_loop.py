"""Runs a limited number of coroutines concurrently in another thread, for a caller that is not asynchronous."""

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

_SHUTDOWN_S = 5.0
"""Maximum seconds to wait for cancelled coroutines, and then for the thread."""


class EventLoopThread:
    """An asyncio event loop in its own thread: answers are read and timed while the caller does other work.

    Coroutines are used because one that waits for the network can be cancelled, while a blocked thread cannot. At the
    end of the `with` block all coroutines are cancelled, then `cleanup` is awaited in the loop. The thread is a daemon,
    so it never keeps the process alive.
    """

    def __init__(self, cleanup: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._cleanup = cleanup
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-requests", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Starts a coroutine in the loop and returns its future. Cancelling the future cancels the coroutine."""
        return asyncio.run_coroutine_threadsafe(self._run_and_track(coroutine), self._loop)

    async def _run_and_track(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await coroutine
        finally:
            self._tasks.discard(task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Cancels all coroutines and ends the thread. Waits only a few seconds for a coroutine that does not end."""
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(_SHUTDOWN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SHUTDOWN_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _shut_down(self) -> None:
        # Cancels only submitted coroutines: tasks of the network library end with them, in the library's order.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._cleanup()
        await self._loop.shutdown_asyncgens()


def as_completed(
    items: Iterable[Item],
    work: Callable[[Item], Coroutine[Any, Any, Result]],
    max_concurrent: int,
    loop_thread: EventLoopThread,
) -> Generator[tuple[Item, Result], None, None]:
    """Runs the coroutine `work(item)` for each item, and yields (item, result) pairs in the order of completion.

    At most `max_concurrent` coroutines run concurrently, in the event loop of `loop_thread`. `items` is iterated in the
    caller's thread. If a coroutine raises an exception, no more items are taken; the results that are complete are
    yielded, then the exception is raised.
    """
    source = iter(items)
    pending: dict[Future[Result], Item] = {}
    completed: SimpleQueue[Future[Result]] = SimpleQueue()

    def submit_more_work() -> None:
        for item in islice(source, max_concurrent - len(pending)):
            future = loop_thread.submit(work(item))
            pending[future] = item
            future.add_done_callback(completed.put)

    submit_more_work()
    while pending:
        future = completed.get()
        item = pending.pop(future)
        if (failure := future.exception()) is not None:
            yield from _successful_results(completed, pending)
            raise failure
        submit_more_work()
        yield item, future.result()


def _successful_results(
    completed: "SimpleQueue[Future[Result]]", pending: dict[Future[Result], Item]
) -> Iterator[tuple[Item, Result]]:
    """Yields the (item, result) pairs of the futures in the queue `completed` that did not fail.

    `pending` has the item of each future.
    """
    with suppress(Empty):
        while True:
            future = completed.get_nowait()
            if future.exception() is None:
                yield pending[future], future.result()
