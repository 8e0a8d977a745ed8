"""Runs an HTTP service: uvicorn with limits, and an orderly end on SIGTERM."""

import asyncio
import contextlib
import resource
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 4096
"""Most connections at a time; uvicorn answers further ones with status 503."""
AllAnswered = bool
"""Whether a service answered every request that it had accepted before it stopped."""


def run_server(app: ASGIApp, listener: socket.socket, header_timeout_s: float, drain_s: float) -> None:
    """Runs an HTTP server until SIGTERM or SIGINT; unfinished requests then get `drain_s` seconds to finish.

    A client must send the headers of a request within `header_timeout_s` seconds.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=_protocol_with_header_timeout(header_timeout_s),
            ws="none",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_level="warning",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=int(drain_s) or 1,
        )
    )
    _increase_open_file_limit(2 * MAX_CONNECTIONS)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again after its shutdown
        server.run(sockets=[listener])


def _protocol_with_header_timeout(timeout_s: float) -> type[asyncio.Protocol]:
    """Returns an HTTP/1.1 protocol class that closes connections without complete headers after `timeout_s` seconds.

    uvicorn has no such timeout, so clients that send nothing would keep their connections open forever.
    """

    class ProtocolWithHeaderTimeout(H11Protocol):
        _header_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start_or_stop_header_timer()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._start_or_stop_header_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_header_timer()
            super().connection_lost(exc)

        def _start_or_stop_header_timer(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_header_timer()
            elif self._header_timer is None:
                self._header_timer = self.loop.call_later(timeout_s, self.transport.close)

        def _stop_header_timer(self) -> None:
            if self._header_timer is not None:
                self._header_timer.cancel()
                self._header_timer = None

    return ProtocolWithHeaderTimeout


def _increase_open_file_limit(needed_files: int) -> None:
    """Increases this process's limit of open files to `needed_files`, or to the hard limit if that is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = needed_files if hard == resource.RLIM_INFINITY else min(needed_files, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
