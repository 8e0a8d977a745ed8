"""Sends one request to an OpenAI-compatible endpoint, reads and times its answer, and retries if that may help."""

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from typing import NoReturn

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from evalharness.backends.openai.address import Address
from evalharness.backends.openai.answer import Answer, AnswerReader
from evalharness.backends.openai.events import EventReader, parse_chunk
from evalharness.backends.openai.failures import (
    LONGEST_PAUSE_S,
    AttemptError,
    describe_error,
    error_message,
    parse_retry_after,
)
from evalharness.backends.openai.options import OpenAIOptions
from evalharness.errors import InfrastructureError, UserError
from evalharness.util.clock import now

_log = logging.getLogger(__name__)

_TEMPORARY = frozenset({408, 425, 429})
"""HTTP status codes below 500 after which a request is retried."""
_CONNECT_S = 30.0
"""Longest time to connect, in seconds."""
_DRAIN_S = 1.0
"""Seconds to wait for the end of a stream after its last chunk, so that the connection can be used again."""
_UNREACHED_RETRIES = 2
"""Retries if no connection was ever established: then the address is probably wrong."""
_LONGEST_QUOTE = 300
"""Characters of an endpoint's message that are shown."""


@dataclass(frozen=True)
class EndpointRequest:
    """A request that is ready to send."""

    url: httpx.URL
    body: bytes
    stops: tuple[str, ...]
    streamed: bool
    stop_early: bool
    """Close the connection at the first stop sequence, because the request does not contain all of them."""


class Client:
    """Sends requests to one endpoint.

    Remembers whether the endpoint was ever reached, and whether it ever answered: before, a failure is probably the
    user's to correct; afterwards it is the endpoint's or the single request's.
    """

    def __init__(self, address: Address, options: OpenAIOptions) -> None:
        self._address = address
        self._options = options
        self._reached = False
        self._answered = False
        self._backoff = wait_random_exponential(multiplier=options.retry_base_s, max=LONGEST_PAUSE_S)

    def connect(self) -> httpx.AsyncClient:
        """Returns an HTTP client for one event loop. Raises UserError if the environment's settings are invalid."""
        try:
            return httpx.AsyncClient(
                headers=self._address.headers(),
                auth=self._address.login,
                timeout=httpx.Timeout(self._options.timeout_s, connect=min(_CONNECT_S, self._options.timeout_s)),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=self._options.concurrency),
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            kind = type(error).__name__
            raise UserError(
                f"HTTP cannot be set up ({kind}); correct the proxy variables or SSL_CERT_FILE of the environment"
            ) from None

    async def ask(self, http: httpx.AsyncClient, request: EndpointRequest) -> Answer:
        """Returns the answer of the first attempt that succeeds. Text and times of other attempts are dropped.

        Raises UserError for a failure that no retry can fix, InfrastructureError if all retries fail. Neither has the
        failed attempt as its cause or context: that would carry the request, and so the key.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(AttemptError),
            stop=self._is_last_attempt,
            wait=self._pause_s,
            before_sleep=self._log_retry,
            retry_error_callback=self._give_up,
            sleep=asyncio.sleep,
        )
        answer: Answer = await retrying(self._attempt, http, request)
        self._answered = True
        return answer

    def _is_last_attempt(self, state: RetryCallState) -> bool:
        retries = state.attempt_number - 1
        return retries >= self._options.max_retries or (self._never_reached(state) and retries >= _UNREACHED_RETRIES)

    def _never_reached(self, state: RetryCallState) -> bool:
        return _failure(state).unreached and not self._reached

    def _pause_s(self, state: RetryCallState) -> float:
        """Returns the pause in seconds: what the endpoint asks for, plus exponential back-off with full jitter.

        The back-off is added so that requests that were refused at the same time do not return at the same time.
        """
        return (_failure(state).retry_after_s or 0.0) + self._backoff(state)

    def _log_retry(self, state: RetryCallState) -> None:
        _log.info("request failed (%s); retrying in %.1f s", self._shown(str(_failure(state))), state.upcoming_sleep)

    def _give_up(self, state: RetryCallState) -> NoReturn:
        reason = self._shown(str(_failure(state)))
        if self._never_reached(state):
            raise UserError(
                f"cannot connect to {self._address.shown} ({reason}); start the server or correct --option base_url"
            )
        raise InfrastructureError(f"{reason} (attempt {state.attempt_number} of {self._options.max_retries + 1})")

    async def _attempt(self, http: httpx.AsyncClient, request: EndpointRequest) -> Answer:
        """Returns the answer of one attempt. Raises AttemptError if another attempt may succeed, else UserError."""
        reader = AnswerReader(request.stops)
        started_at, start = now(), time.perf_counter()
        try:
            async with (
                asyncio.timeout(self._options.timeout_s) as timeout,
                http.stream("POST", request.url, content=request.body) as response,
            ):
                self._reached = True
                if response.status_code != 200:
                    await self._refuse(response)
                streamed = request.streamed and "json" not in response.headers.get("content-type", "")
                if streamed:
                    await self._read_stream(response, request, reader, timeout, start)
                else:
                    reader.add(parse_chunk(await response.aread()), time.perf_counter() - start)
                    reader.done = True
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AttemptError(describe_error(error), unreached=True) from None
        except (TimeoutError, httpx.HTTPError, AttemptError) as error:
            if not _has_whole_answer(reader, request):
                raise error if isinstance(error, AttemptError) else AttemptError(describe_error(error)) from None
        if not _has_whole_answer(reader, request):
            raise AttemptError("the connection closed before the end of the answer")
        return reader.answer(started_at, streamed)

    async def _read_stream(
        self,
        response: httpx.Response,
        request: EndpointRequest,
        reader: AnswerReader,
        timeout: asyncio.Timeout,
        start: float,
    ) -> None:
        events, loop = EventReader(), asyncio.get_running_loop()
        deadline = timeout.when() or 0.0
        async for block in response.aiter_bytes():
            at_s = time.perf_counter() - start
            _add_events(events.feed(block), reader, at_s)
            if request.stop_early and reader.cut_is_final:
                return
            pause_s = _DRAIN_S if reader.done else self._options.idle_timeout_s
            timeout.reschedule(min(deadline, loop.time() + pause_s))
        _add_events(events.end(), reader, time.perf_counter() - start)

    async def _refuse(self, response: httpx.Response) -> NoReturn:
        """Raises AttemptError for a temporary status.

        For any other status raises InfrastructureError if earlier requests were answered, so that only this one is
        refused, and UserError else.
        """
        code = response.status_code
        message = self._shown(error_message(await response.aread())) or response.reason_phrase
        url, key_name = self._address.shown, self._address.key_name
        quota_exceeded = code == 429 and "insufficient_quota" in response.text
        if (code in _TEMPORARY or code >= 500) and not quota_exceeded:
            raise AttemptError(f"HTTP {code}: {message}", parse_retry_after(response.headers.get("retry-after", "")))
        if code == 401:  # The message is not shown: it may repeat parts of the key.
            raise UserError(f"{url} refuses the key (HTTP 401); set {key_name} to a valid key")
        if code == 403:
            raise UserError(
                f"{url} refuses access (HTTP 403: {message}); set {key_name} to a key that may use the model"
            )
        if code == 404:
            raise UserError(f"HTTP 404 from {url}: {message}; correct --model, or --option base_url or api")
        if quota_exceeded:
            raise UserError(f"{url} reports that the quota is used up ({message}); raise it, or use another {key_name}")
        if self._answered:  # So the settings are right, and this prompt, which may be too long, is refused.
            raise InfrastructureError(f"{url} rejects this request (HTTP {code}: {message})")
        raise UserError(
            f"{url} rejects the request (HTTP {code}: {message}); change --model, the sampling or an --option"
        )

    def _shown(self, text: str) -> str:
        """Returns the text without the key and without parts of it between asterisks, at most 300 characters.

        It is cut last, because a part of a key would not be recognized.
        """
        return re.sub(r"\S*\*{2,}\S*", "***", self._address.secrets.scrub(text))[:_LONGEST_QUOTE]


def _failure(state: RetryCallState) -> AttemptError:
    """Returns the exception of the latest attempt."""
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, AttemptError)
    return failure


def _has_whole_answer(reader: AnswerReader, request: EndpointRequest) -> bool:
    return reader.complete or (request.stop_early and reader.cut_is_final)


def _add_events(events: list[bytes], reader: AnswerReader, at_s: float) -> None:
    for event in events:
        if event.strip() == b"[DONE]":
            reader.done = True
        if not reader.done:
            reader.add(parse_chunk(event), at_s)
