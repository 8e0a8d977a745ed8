"""One question to an OpenAI-compatible endpoint: sent, read, timed, and asked again where that can help."""

import asyncio
import logging
import random
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from evalharness.backends.openai.options import Address, OpenAIOptions
from evalharness.backends.openai.stream import Answer, AttemptError, EventReader, Reading, complaint, parse_piece
from evalharness.errors import InfrastructureError, UserError
from evalharness.util.clock import now

_log = logging.getLogger(__name__)

_PASSING = frozenset({408, 425, 429})
_LONGEST_PAUSE_S = 60.0
_CONNECT_S = 30.0
_DRAIN_S = 1.0
_QUICK_RETRIES = 2
_QUOTED = 300


@dataclass(frozen=True)
class Query:
    """A question, ready to send. `early`: hang up at the first stop, as the endpoint does not know all of them."""

    url: httpx.URL
    body: bytes
    stops: tuple[str, ...]
    streamed: bool
    early: bool


class Client:
    """Asks one endpoint. Remembers whether it was ever reached: one that never was is the user's to correct."""

    def __init__(self, address: Address, options: OpenAIOptions) -> None:
        self._address = address
        self._options = options
        self._reached = False
        self._answered = False

    def connect(self) -> httpx.AsyncClient:
        """Connections for the use of one event loop. Raises UserError where the environment's settings forbid it."""
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

    async def ask(self, http: httpx.AsyncClient, query: Query) -> Answer:
        """The answer of the first attempt that succeeds; nothing of the others is kept.

        Raises UserError for what no retry mends, InfrastructureError (one line) when the retries are used up.
        """
        attempt = 0
        while True:
            try:
                answer = await self._attempt(http, query)
                self._answered = True
                return answer
            except AttemptError as error:
                broken = error
            # Outside the handler, so that what is raised does not carry the request, and with it the key, along.
            why = self._shown(str(broken))
            self._judge(broken, why, attempt)
            pause_s = self._pause_s(broken, attempt)
            _log.info("request failed (%s); asking again in %.1f s", why, pause_s)
            await asyncio.sleep(pause_s)
            attempt += 1

    def _judge(self, broken: AttemptError, why: str, attempt: int) -> None:
        """Returns if another attempt is due; else raises what the failure amounts to."""
        if broken.unreached and not self._reached and attempt >= min(_QUICK_RETRIES, self._options.max_retries):
            raise UserError(
                f"cannot connect to {self._address.shown} ({why}); start the server or correct --option base_url"
            )
        if attempt >= self._options.max_retries:
            raise InfrastructureError(f"{why} (attempt {attempt + 1} of {self._options.max_retries + 1})")

    def _pause_s(self, broken: AttemptError, attempt: int) -> float:
        """Exponential back-off with full jitter, on top of what the endpoint asked for, so that requests spread out."""
        backoff_s = min(_LONGEST_PAUSE_S, self._options.retry_base_s * 2.0**attempt)
        return (broken.after_s or 0.0) + random.uniform(0.0, backoff_s)

    async def _attempt(self, http: httpx.AsyncClient, query: Query) -> Answer:
        reading = Reading(query.stops)
        started_at, begin = now(), time.perf_counter()
        try:
            async with (
                asyncio.timeout(self._options.timeout_s) as clock,
                http.stream("POST", query.url, content=query.body) as response,
            ):
                self._reached = True
                if response.status_code != 200:
                    await self._refuse(response)
                streamed = query.streamed and "json" not in response.headers.get("content-type", "")
                if streamed:
                    await self._stream(response, query, reading, clock, begin)
                else:
                    await self._body(response, reading, begin)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AttemptError(_reason(error), unreached=True) from None
        except (TimeoutError, httpx.HTTPError, AttemptError) as error:
            if not _complete(reading, query):
                raise error if isinstance(error, AttemptError) else AttemptError(_reason(error)) from None
        if not _complete(reading, query):
            raise AttemptError("the answer broke off before its end")
        return reading.answer(started_at, streamed)

    async def _stream(
        self, response: httpx.Response, query: Query, reading: Reading, clock: asyncio.Timeout, begin: float
    ) -> None:
        events, now = EventReader(), asyncio.get_running_loop().time
        latest = clock.when() or 0.0
        async for block in response.aiter_bytes():
            at_s = time.perf_counter() - begin
            self._take(events.feed(block), reading, at_s)
            if query.early and reading.settled:
                return
            # What follows [DONE] is read only so that the connection can be used again.
            clock.reschedule(min(latest, now() + (_DRAIN_S if reading.done else self._options.idle_timeout_s)))
        self._take(events.end(), reading, time.perf_counter() - begin)

    @staticmethod
    def _take(events: list[bytes], reading: Reading, at_s: float) -> None:
        for event in events:
            if event.strip() == b"[DONE]":
                reading.done = True
            if not reading.done:
                reading.add(parse_piece(event), at_s)

    @staticmethod
    async def _body(response: httpx.Response, reading: Reading, begin: float) -> None:
        piece = parse_piece(await response.aread())
        reading.add(piece, time.perf_counter() - begin)
        reading.done = True

    async def _refuse(self, response: httpx.Response) -> None:
        """Raises AttemptError for a status that may pass, UserError for any other."""
        code = response.status_code
        said = self._shown(complaint(await response.aread())) or response.reason_phrase
        where, name = self._address.shown, self._address.key_name
        quota = code == 429 and "insufficient_quota" in response.text
        if (code in _PASSING or code >= 500) and not quota:
            raise AttemptError(f"HTTP {code}: {said}", _retry_after_s(response.headers.get("retry-after", "")))
        if code == 401:  # Not quoted: such messages repeat parts of the key.
            raise UserError(f"{where} refuses the key (HTTP 401); set {name} to a valid one")
        if code == 403:
            raise UserError(f"{where} refuses access (HTTP 403: {said}); set {name} to a key that may use the model")
        if code == 404:
            raise UserError(f"HTTP 404 from {where}: {said}; correct --model, or --option base_url or api")
        if quota:
            raise UserError(f"{where} says that the quota is used up ({said}); raise it, or set {name} to another key")
        if self._answered:  # others were taken: it is this prompt, too long perhaps, and not the settings
            raise InfrastructureError(f"{where} rejects this request (HTTP {code}: {said})")
        raise UserError(
            f"{where} rejects the request (HTTP {code}: {said}); change --model, the sampling or an --option"
        )

    def _shown(self, text: str) -> str:
        """Without the key or what an endpoint left of it in masking it. Cut last: half a key would not be found."""
        return re.sub(r"\S*\*{2,}\S*", "***", self._address.secrets.scrub(text))[:_QUOTED]


def _complete(reading: Reading, query: Query) -> bool:
    return reading.whole or (query.early and reading.settled)


def _reason(error: Exception) -> str:
    """An error in one line, with its kind, as many of them have no text of their own."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return " ".join(f"{type(error).__name__}: {error}".split())


def _retry_after_s(value: str) -> float | None:
    """The pause in seconds that a Retry-After header asks for (a number or an HTTP date), at most a minute."""
    if re.fullmatch(r"\d+(\.\d*)?", value.strip()):
        return min(_LONGEST_PAUSE_S, float(value))
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    left_s = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(_LONGEST_PAUSE_S, max(0.0, left_s))
