"""What every request passes before anything is done for it: token, size and patience; and the count of answers."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evalharness.grading_service.admission import Refused
from evalharness.grading_service.settings import ServiceConfig

OPEN_TO_ALL = ("/health",)


class Guard:
    """An ASGI middleware that reads the whole body, within limits, before it lets the application see the request."""

    def __init__(self, app: ASGIApp, config: ServiceConfig, answered: Callable[[int], None]):
        self.app, self.config, self.answered = app, config, answered
        self.held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answered(message["status"])
            await send(message)

        headers = dict(scope["headers"])
        body = bytearray()
        try:
            self._check(scope["path"], headers)
            async with asyncio.timeout(self.config.read_s):
                connected = await self._read(receive, body)
            if connected:
                await self.app(scope, _replay(bytes(body), receive), counted)
        except Refused as refused:
            await refusal(refused, close=True)(scope, receive, counted)
        except TimeoutError:
            late = Refused(408, f"the request did not come within {self.config.read_s:g} s")
            await refusal(late, close=True)(scope, receive, counted)
        except asyncio.CancelledError:  # by the server, whose time to end is up
            scope["app"].state.cut_short = True
            await refusal(Refused(503, "the service is ending; submit again", 1), close=True)(scope, receive, counted)
        finally:
            self.held_bytes -= len(body)

    def _check(self, path: str, headers: dict[bytes, bytes]) -> None:
        sent = headers.get(b"authorization", b"")
        if path not in OPEN_TO_ALL and self.config.token:
            if not sent:
                raise Refused(401, "no token; send the header Authorization: Bearer TOKEN")
            if not hmac.compare_digest(sent, b"Bearer " + self.config.token.encode()):
                raise Refused(401, "the token is not this service's")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Refused(400, "the content-length is not a number")
        self._allow(int(length), int(length))

    def _allow(self, of_one: int, more: int) -> None:
        if of_one > self.config.body_bytes:
            raise Refused(413, f"the submission is longer than {self.config.body_bytes} bytes; submit fewer samples")
        if self.held_bytes + more > self.config.bodies_bytes:
            raise Refused(503, "too much is being submitted at the moment; try again later", 1)

    async def _read(self, receive: Receive, body: bytearray) -> bool:
        """Reads the body; whether the client stayed for that long."""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            part = message.get("body", b"")
            self._allow(len(body) + len(part), len(part))
            body += part
            self.held_bytes += len(part)
            more = message.get("more_body", False)
        return True


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once, then what else comes: that the client has gone."""
    first = True

    async def replayed() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replayed


def refusal(refused: Refused, close: bool = False) -> JSONResponse:
    """The answer to a request that is refused; `close` where the rest of the request is not read."""
    headers: dict[str, Any] = {"connection": "close"} if close else {}
    if refused.retry_s is not None:
        headers["retry-after"] = str(refused.retry_s)
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": refused.reason}, refused.status, headers)
