"""Middleware that checks host, access token, size and sending time of each request before the application sees it."""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evalharness.util.http.hosts import is_host_allowed
from evalharness.util.http.refusals import ErrorBody, RequestRefused, make_default_error_body, make_refusal_response


@dataclass(frozen=True)
class RequestLimits:
    """What an HTTP service requires of each request: access token, size (bytes), sending time (s) and host name."""

    access_token: str = field(default="", repr=False)
    """Clients send it as `Authorization: Bearer TOKEN`; empty for a service that needs none."""
    body_bytes: int = 1 << 20
    """Size limit of one request."""
    bodies_bytes: int = 64 << 20
    """Size limit of all requests that are being read or processed, together."""
    read_s: float = 30.0
    """Seconds that a client may take to send the body."""
    public_paths: tuple[str, ...] = ("/health",)
    """URL paths that need no access token; one that ends in `/` stands for all paths below it."""
    allowed_hosts: frozenset[str] = frozenset()
    """The host names by which clients may address the service (see `resolve_allowed_hosts`); empty for any."""

    def is_public_path(self, url_path: str) -> bool:
        """Returns whether requests to this URL path need no access token."""
        folders = [name for name in self.public_paths if name[1:].endswith("/")]
        return url_path in self.public_paths or any(url_path.startswith(name) for name in folders)


class RequestCheckMiddleware:
    """ASGI middleware that checks HTTP requests against `limits` and reads their bodies, then calls the application.

    `on_response` is called with the HTTP status of every response.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: RequestLimits,
        on_response: Callable[[int], None],
        make_error_body: ErrorBody = make_default_error_body,
    ):
        self.app, self.limits, self.on_response, self.make_error_body = app, limits, on_response, make_error_body
        self.buffered_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Checks one HTTP request and passes it on to the application, or answers with a refusal."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        response_started = False

        async def send_and_report_status(message: Message) -> None:
            nonlocal response_started
            if message["type"] == "http.response.start":
                response_started = True
                self.on_response(message["status"])
            await send(message)

        headers = dict(scope["headers"])
        body = bytearray()
        try:
            self._check_headers(scope["path"], headers)
            async with asyncio.timeout(self.limits.read_s):
                connected = await self._read_body(receive, body)
            if connected:
                await self.app(scope, _make_receive_that_replays_body(bytes(body), receive), send_and_report_status)
        except RequestRefused as refused:
            await make_refusal_response(refused, True, self.make_error_body)(scope, receive, send_and_report_status)
        except TimeoutError:
            timeout = RequestRefused(
                408, f"the request was not complete after {self.limits.read_s:g} s; send it faster"
            )
            await make_refusal_response(timeout, True, self.make_error_body)(scope, receive, send_and_report_status)
        except asyncio.CancelledError:  # the server cancels what is unfinished at the end of its drain time
            scope["app"].state.cut_short = True
            shutdown = RequestRefused(503, "the service is shutting down; try again later", 1)
            if not response_started:  # a stream that has begun just ends
                await make_refusal_response(shutdown, True, self.make_error_body)(
                    scope, receive, send_and_report_status
                )
        finally:
            self.buffered_bytes -= len(body)

    def _check_headers(self, url_path: str, headers: dict[bytes, bytes]) -> None:
        """Raises RequestRefused if the host, the access token or the content length in the headers is not accepted."""
        if not is_host_allowed(headers.get(b"host", b"").decode("latin-1"), self.limits.allowed_hosts):
            raise RequestRefused(
                421,
                "this host name is not served; use the address that the service printed, or start it with "
                "--allowed-host NAME",
            )
        authorization = headers.get(b"authorization", b"")
        if self.limits.access_token and not self.limits.is_public_path(url_path):
            if not authorization:
                raise RequestRefused(
                    401, "the request has no access token (API key); send the header Authorization: Bearer TOKEN"
                )
            if not hmac.compare_digest(authorization, b"Bearer " + self.limits.access_token.encode()):
                raise RequestRefused(
                    401, "wrong access token (API key) in the header Authorization; send the service's token"
                )
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise RequestRefused(400, "the header content-length is not a number; send the body's size in bytes")
        self._check_body_size(int(length), int(length))

    def _check_body_size(self, body_bytes: int, new_bytes: int) -> None:
        """Raises RequestRefused if one request's body is too large, or if all buffered bodies together are.

        `body_bytes` is the size of the request's body. Its last `new_bytes` bytes are not yet counted in
        `self.buffered_bytes`.
        """
        if body_bytes > self.limits.body_bytes:
            raise RequestRefused(
                413, f"the request is larger than {self.limits.body_bytes} bytes; send smaller requests"
            )
        if self.buffered_bytes + new_bytes > self.limits.bodies_bytes:
            raise RequestRefused(503, "the service is processing too many bytes of other requests; retry later", 1)

    async def _read_body(self, receive: Receive, body: bytearray) -> bool:
        """Reads the request's body into `body`; returns False if the client disconnected before its end."""
        has_more = True
        while has_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            chunk = message.get("body", b"")
            self._check_body_size(len(body) + len(chunk), len(chunk))
            body += chunk
            self.buffered_bytes += len(chunk)
            has_more = message.get("more_body", False)
        return True


def _make_receive_that_replays_body(body: bytes, receive: Receive) -> Receive:
    """Returns an ASGI `receive` function that first returns the `body` already read, then calls `receive`."""
    is_first = True

    async def receive_with_body() -> Message:
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return receive_with_body
