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
    """Sends requests as long as the endpoint answers some of them; fails fast once it seems to be down.

    After `FAILURES_IN_A_ROW` consecutive requests failed with all their retries, the next one is sent alone. If it
    fails, too, the circuit is open: all later requests fail at once with the same reason, and none is sent. If it is
    answered, requests are sent as before. For use in one event loop.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._reason = ""
        self._one_at_a_time = asyncio.Lock()

    async def call(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Calls `send` and returns its result or raises its error; raises RequestNotSent while the circuit is open."""
        if self._failures < FAILURES_IN_A_ROW:
            return await self._send_and_count_failures(send)
        async with self._one_at_a_time:
            if self._reason:
                raise RequestNotSent(self._reason)
            if self._failures >= FAILURES_IN_A_ROW:
                return await self._send_probe(send)
        return await self._send_and_count_failures(send)

    async def _send_probe(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Sends one request alone; if it fails, too, opens the circuit for all later ones."""
        try:
            return await self._send_and_count_failures(send)
        except InfrastructureError as error:
            self._reason = f"request not sent, because the last {self._failures} requests failed: {error}"
            raise

    async def _send_and_count_failures(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Calls `send` and counts failures in a row; an answer, or a refusal of the prompt, closes the circuit."""
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
