"""A circuit breaker: stops sending a run's requests to an endpoint after several of them failed in a row."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from evalharness.backends.openai.failures import PromptRefused, RequestNotSent
from evalharness.errors import InfrastructureError

Result = TypeVar("Result")

FAILURES_IN_A_ROW = 4
"""Consecutive failed requests after which only one request at a time is sent."""


class CircuitBreaker:
    """Sends requests to an endpoint, and stops sending them once the endpoint seems to be down.

    After `FAILURES_IN_A_ROW` consecutive requests failed with all their retries, the next request is sent alone. If
    that request is answered, later requests are sent as before. If it fails, the circuit is open: no later request is
    sent, and each fails at once with the same reason. For use in one event loop.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._reason = ""
        self._one_at_a_time = asyncio.Lock()

    async def call(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Calls `send`, which sends one request, and returns its result. Raises every exception that `send` raises.

        While the circuit is open, raises RequestNotSent and does not call `send`.
        """
        if self._failures < FAILURES_IN_A_ROW:
            return await self._send_and_count_failures(send)
        async with self._one_at_a_time:
            if self._reason:
                raise RequestNotSent(self._reason)
            if self._failures >= FAILURES_IN_A_ROW:
                return await self._send_probe(send)
        return await self._send_and_count_failures(send)

    async def _send_probe(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Sends one request while no other request is sent. If it fails, the circuit opens: no later one is sent."""
        try:
            return await self._send_and_count_failures(send)
        except InfrastructureError as error:
            self._reason = f"request not sent, because the last {self._failures} requests failed: {error}"
            raise

    async def _send_and_count_failures(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Calls `send` and counts consecutive failures. An answer or a refused prompt resets the count."""
        try:
            result = await send()
        except InfrastructureError:
            self._failures += 1
            raise
        except PromptRefused:
            self._failures, self._reason = 0, ""
            raise
        self._failures, self._reason = 0, ""
        return result
