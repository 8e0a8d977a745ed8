"""HTTP client of an OpenAI-compatible endpoint: sends requests, reads and times answers, retries failures."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from evalharness.backends.openai.address import Address
from evalharness.backends.openai.answer import Answer, AnswerReader
from evalharness.backends.openai.circuit_breaker import CircuitBreaker
from evalharness.backends.openai.events import BYTE_ORDER_MARK, ServerSentEventReader, parse_chunk
from evalharness.backends.openai.failures import (
    LONGEST_PAUSE_S,
    AttemptError,
    PromptRefused,
    TokenLimitFieldRefused,
    describe_error,
    parse_error_message,
    parse_retry_after,
)
from evalharness.backends.openai.http_status import (
    TOKEN_LIMIT_FIELDS,
    ErrorStatus,
    error_for_status,
    other_token_limit_field,
)
from evalharness.backends.openai.options import OpenAIOptions
from evalharness.errors import InfrastructureError, UserError
from evalharness.util.clock import now

_log = logging.getLogger(__name__)

_CONNECT_S = 30.0
"""Connection timeout in seconds."""
_DRAIN_S = 1.0
"""Seconds to wait for the end of a stream after its last chunk, so that the connection can be used again."""
_UNREACHED_RETRIES = 2
"""Retries while no connection was ever established: the address is probably wrong."""
_LONGEST_QUOTE = 300
"""Maximum number of characters of an endpoint's message that are shown."""
_LARGEST_BODY = 1 << 24
"""Maximum number of bytes of a response without events that are kept, in case it is one JSON body."""


@dataclass(frozen=True)
class EndpointRequest:
    """An HTTP request to an OpenAI-compatible endpoint, ready to send."""

    url: httpx.URL
    fields: Mapping[str, Any]
    """The JSON body's fields."""
    headers: Mapping[str, str]
    stops: tuple[str, ...]
    streamed: bool
    stop_early: bool
    """Whether to close the connection at the first stop sequence, because the request does not contain all of them."""


class Client:
    """Sends requests to one OpenAI-compatible endpoint, with retries.

    A failure to connect raises UserError (the address may be wrong) until the endpoint was reached once, afterwards
    InfrastructureError. The client remembers which name of the field for the token limit the endpoint accepts:
    `max_tokens` or `max_completion_tokens`.
    """

    def __init__(self, address: Address, options: OpenAIOptions) -> None:
        self._address = address
        self._options = options
        self._reached = False
        self._breaker = CircuitBreaker()
        self.token_limit_field: str = options.max_tokens_field
        """The field name of the token limit that the endpoint accepts, as far as it is known."""
        self._backoff = wait_random_exponential(multiplier=options.retry_base_s, max=LONGEST_PAUSE_S)

    def open_http_client(self) -> httpx.AsyncClient:
        """Returns a new httpx client, for use in one event loop, and resets the circuit breaker.

        Raises UserError if an environment variable for proxies or SSL certificates is invalid.
        """
        try:
            self._breaker = CircuitBreaker()
            return httpx.AsyncClient(
                headers=self._address.headers(),
                auth=self._address.login,
                timeout=httpx.Timeout(self._options.timeout_s, connect=min(_CONNECT_S, self._options.timeout_s)),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=self._options.concurrency),
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            kind = type(error).__name__
            raise UserError(
                f"the HTTP client cannot be created ({kind}); correct the environment variables HTTP_PROXY, "
                "HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE"
            ) from None

    async def send(self, http: httpx.AsyncClient, request: EndpointRequest) -> Answer:
        """Returns the endpoint's answer from the first attempt that succeeds; failed attempts are discarded.

        Raises PromptRefused if the endpoint refuses this prompt, InfrastructureError if all retries fail, and UserError
        for a failure that no retry can fix. None of these exceptions has a cause or context, because a chained
        exception would contain the request and, with it, the API key.
        """
        return await self._breaker.call(lambda: self._send_with_either_token_limit_field(http, request))

    async def _send_with_either_token_limit_field(self, http: httpx.AsyncClient, request: EndpointRequest) -> Answer:
        """Returns the answer. If the endpoint rejects the field name of the token limit, tries the other name."""
        field = self.token_limit_field
        try:
            return await self._send_with_retries(http, request, field)
        except TokenLimitFieldRefused as refused:
            first_refusal = str(refused)
        other = other_token_limit_field(field)
        try:
            answer = await self._send_with_retries(http, request, other)
        except TokenLimitFieldRefused:
            raise PromptRefused(first_refusal) from None
        self.token_limit_field = other
        return answer

    async def _send_with_retries(
        self, http: httpx.AsyncClient, request: EndpointRequest, token_limit_field: str
    ) -> Answer:
        """Returns the answer of the first attempt that succeeds; see `send` for the exceptions."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(AttemptError),
            stop=self._is_last_attempt,
            wait=self._retry_pause_s,
            before_sleep=self._log_retry,
            retry_error_callback=self._raise_final_failure,
            sleep=asyncio.sleep,
        )
        answer: Answer = await retrying(self._send_once, http, request, token_limit_field)
        return answer

    def _is_last_attempt(self, state: RetryCallState) -> bool:
        retries = state.attempt_number - 1
        return retries >= self._options.max_retries or (
            self._endpoint_was_never_reached(state) and retries >= _UNREACHED_RETRIES
        )

    def _endpoint_was_never_reached(self, state: RetryCallState) -> bool:
        """Returns whether no request has reached the endpoint so far, including the request that just failed."""
        return _latest_failure(state).unreached and not self._reached

    def _retry_pause_s(self, state: RetryCallState) -> float:
        """Returns the pause in seconds before a retry: Retry-After plus exponential back-off with full jitter.

        The back-off is added so that requests that failed at the same time are not retried at the same time.
        """
        return (_latest_failure(state).retry_after_s or 0.0) + self._backoff(state)

    def _log_retry(self, state: RetryCallState) -> None:
        _log.info(
            "request failed (%s); retrying in %.1f s",
            self._mask_and_shorten(str(_latest_failure(state))),
            state.upcoming_sleep,
        )

    def _raise_final_failure(self, state: RetryCallState) -> NoReturn:
        """Raises the exception for a request whose attempts all failed.

        UserError if no request ever reached the endpoint, else InfrastructureError.
        """
        reason = self._mask_and_shorten(str(_latest_failure(state)))
        if self._endpoint_was_never_reached(state):
            raise UserError(
                f"cannot connect to {self._address.display_url} ({reason}); start the server or "
                "correct --option base_url"
            )
        max_attempts = self._options.max_retries + 1
        raise InfrastructureError(f"{reason} (the request failed in attempt {state.attempt_number} of {max_attempts})")

    async def _send_once(self, http: httpx.AsyncClient, request: EndpointRequest, token_limit_field: str) -> Answer:
        """Sends one HTTP request and returns its answer.

        Raises AttemptError if another attempt may succeed; PromptRefused, TokenLimitFieldRefused or UserError if not.
        """
        reader = AnswerReader(request.stops)
        body = json.dumps(
            {_rename_if_token_limit(name, token_limit_field): value for name, value in request.fields.items()}
        ).encode()
        started_at, start = now(), time.perf_counter()
        try:
            async with (
                asyncio.timeout(self._options.timeout_s) as timeout,
                http.stream("POST", request.url, content=body, headers=request.headers) as response,
            ):
                self._reached = True
                if response.status_code != 200:
                    await self._raise_for_status(response, token_limit_field)
                streamed = request.streamed and "json" not in response.headers.get("content-type", "")
                if streamed:
                    kind = await self._read_stream_or_json_body(response, request, reader, timeout, start)
                    streamed = kind == "stream"
                else:
                    answer_json = await response.aread()
                    _add_unstreamed_answer(reader, answer_json, time.perf_counter() - start)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AttemptError(describe_error(error), unreached=True) from None
        except (TimeoutError, httpx.HTTPError, AttemptError) as error:
            if not _is_answer_complete(reader, request):
                raise error if isinstance(error, AttemptError) else AttemptError(describe_error(error)) from None
        except PromptRefused as refused:
            if _is_answer_complete(reader, request):
                return reader.make_answer(started_at, streamed)
            raise PromptRefused(
                f"{self._address.display_url} refuses the prompt ({self._mask_and_shorten(str(refused))})"
            ) from None
        if not _is_answer_complete(reader, request):
            raise AttemptError("the endpoint closed the connection before the end of its answer")
        return reader.make_answer(started_at, streamed)

    async def _read_stream_or_json_body(
        self,
        response: httpx.Response,
        request: EndpointRequest,
        reader: AnswerReader,
        timeout: asyncio.Timeout,
        start_time: float,
    ) -> Literal["stream", "json"]:
        """Reads a response, adds its text to `reader`, and returns the kind of response.

        A body without server-sent events is read as one JSON object. Each received block of bytes sets a new deadline
        of `timeout`. `start_time`: the `time.perf_counter()` value when the request was sent.
        """
        events, loop, body = ServerSentEventReader(), asyncio.get_running_loop(), b""
        deadline = timeout.when() or 0.0
        async for block in response.aiter_bytes():
            at_s = time.perf_counter() - start_time
            if not events.events and len(body) < _LARGEST_BODY:
                body += block
            _add_streamed_chunks(reader, events.feed(block), at_s)
            if request.stop_early and reader.is_cut_position_final:
                return "stream"
            pause_s = _DRAIN_S if reader.done else self._options.idle_timeout_s
            timeout.reschedule(min(deadline, loop.time() + pause_s))
        _add_streamed_chunks(reader, events.finish(), time.perf_counter() - start_time)
        if not events.events and body.strip():
            _add_unstreamed_answer(reader, body, time.perf_counter() - start_time)
            return "json"
        return "stream"

    async def _raise_for_status(self, response: httpx.Response, token_limit_field: str) -> NoReturn:
        """Raises the exception for an HTTP status other than 200 (see `error_for_status`)."""
        message = self._mask_and_shorten(parse_error_message(await response.aread())) or response.reason_phrase
        retry_after_s = parse_retry_after(response.headers.get("retry-after", ""))
        is_chat = response.request.url.path.endswith("/chat/completions")
        status = ErrorStatus(response.status_code, message, response.text, retry_after_s, token_limit_field, is_chat)
        raise error_for_status(status, self._address)

    def _mask_and_shorten(self, message: str) -> str:
        """Returns an endpoint's message for display, with secrets masked, shortened to at most 300 characters.

        Secrets are masked before the message is shortened, because a part of a secret would not be recognized.
        """
        return re.sub(r"\S*\*{2,}\S*", "***", self._address.secrets.mask_text(message))[:_LONGEST_QUOTE]


def _rename_if_token_limit(field_name: str, token_limit_field: str) -> str:
    """Returns the name under which to send a field: `token_limit_field` for the token limit, else `field_name`."""
    return token_limit_field if field_name in TOKEN_LIMIT_FIELDS else field_name


def _latest_failure(state: RetryCallState) -> AttemptError:
    """Returns the exception of a request's latest attempt."""
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, AttemptError)
    return failure


def _is_answer_complete(reader: AnswerReader, request: EndpointRequest) -> bool:
    """Returns whether the endpoint has ended the answer, or the client stops reading it at a stop sequence."""
    return reader.is_complete or (request.stop_early and reader.is_cut_position_final)


def _add_streamed_chunks(reader: AnswerReader, events: list[bytes], arrived_s: float) -> None:
    """Parses server-sent events as chunks of one answer, up to the event [DONE], and adds the chunks to `reader`.

    `arrived_s`: when the events arrived, in seconds since the request was sent.
    """
    for event in events:
        if event.strip() == b"[DONE]":
            reader.done = True
        if not reader.done:
            reader.add_chunk(parse_chunk(event), arrived_s)


def _add_unstreamed_answer(reader: AnswerReader, body: bytes, arrived_s: float) -> None:
    """Parses a response body as a whole answer (not streamed) and adds it to `reader`.

    `arrived_s`: when the body arrived, in seconds since the request was sent. Raises AttemptError if the body is not a
    JSON object.
    """
    if not body.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"{"):
        raise AttemptError(f"the endpoint sent no JSON answer, but {parse_error_message(body) or 'an empty body'}")
    reader.add_chunk(parse_chunk(body), arrived_s)
    reader.done = True
