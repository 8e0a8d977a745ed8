"""The service's process: on SIGTERM it stops listening, grades what it has accepted, and ends."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from evalharness.errors import UserError
from evalharness.grading_service.app import make_app
from evalharness.grading_service.config import ServiceConfig
from evalharness.grading_service.grading import GradingPool
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.text import counted

CONNECTIONS = 4096
"""Most connections at a time; uvicorn answers further ones with status 503."""


def serve(config: ServiceConfig, log: Callable[[str], None]) -> bool:
    """Serves until SIGTERM or SIGINT; returns whether everything that was accepted was graded.

    Raises UserError before it listens if the user must change something.
    """
    config.check()
    sandbox = open_sandbox(config.sandbox, config.workers, config.options, log)
    with closing(GradingPool(sandbox, config.data)) as pool:
        for task in config.tasks:
            pool.load(task, {})
        app = make_app(config, pool)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_protocol_class(config.read_s),
                ws="none",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_level="warning",
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=int(config.drain_s) or 1,
            )
        )
        _raise_file_limit(2 * CONNECTIONS)
        listener = _listen(config)
        log(f"listening on http://{config.host}:{config.port}, grading {counted(sandbox.workers, 'sample')} at a time")
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again after its shutdown
            server.run(sockets=[listener])
        drained = not app.state.cut_short
        log(
            "stopped; all accepted samples were graded" if drained else "stopped; some accepted samples were not graded"
        )
        return drained


def _listen(config: ServiceConfig) -> socket.socket:
    """Returns the listening socket. Raises UserError if the address is not available."""
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return socket.create_server((config.host, config.port), family=family, backlog=CONNECTIONS)
    except OSError as error:
        raise UserError(
            f"cannot listen on {config.host}, port {config.port}: {error.strerror or error}; choose another --port or "
            "--host"
        ) from None


def _protocol_class(head_s: float) -> type[asyncio.Protocol]:
    """Returns the HTTP/1.1 protocol class with a timeout of `head_s` seconds for the headers of a request.

    uvicorn has no such timeout, so that clients which send nothing would keep their connections for ever.
    """

    class ProtocolWithHeadTimeout(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._update_timer()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._update_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _update_timer(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_timer()
            elif self._timer is None:
                self._timer = self.loop.call_later(head_s, self.transport.close)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return ProtocolWithHeadTimeout


def _raise_file_limit(needed: int) -> None:
    """Raises this process's limit of open files and connections to `needed`, or to the hard limit if that is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
