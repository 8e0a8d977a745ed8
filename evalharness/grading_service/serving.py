"""The service's process: listens, and on SIGTERM stops listening, judges what it has accepted, and ends."""

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
from evalharness.grading_service.judging import Judges
from evalharness.grading_service.settings import ServiceConfig
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.text import counted

CONNECTIONS = 4096
"""Beyond so many, uvicorn answers 503."""


def serve(config: ServiceConfig, note: Callable[[str], None]) -> bool:
    """Serves until SIGTERM or SIGINT; whether everything that was accepted was judged.

    Raises UserError before it listens where the user must change something.
    """
    config.check()
    with closing(Judges(open_sandbox(config.sandbox, config.workers, config.options, note), config.data)) as judges:
        for task in config.tasks:
            judges.open(task, {})
        app = make_app(config, judges)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_protocol(config.read_s),
                ws="none",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_level="warning",
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=int(config.drain_s) or 1,
            )
        )
        _allow_files(2 * CONNECTIONS)
        listening = _listen(config)
        note(f"listening on http://{config.host}:{config.port}, {counted(judges.sandbox.workers, 'sample')} at a time")
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has shut down
            server.run(sockets=[listening])
        drained = not app.state.cut_short
        note("ended; everything accepted was judged" if drained else "ended; some of what was accepted was not judged")
        return drained


def _listen(config: ServiceConfig) -> socket.socket:
    """The socket to serve on. Raises UserError where it cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return socket.create_server((config.host, config.port), family=family, backlog=CONNECTIONS)
    except OSError as error:
        raise UserError(
            f"cannot listen on {config.host}, port {config.port}: {error.strerror or error}; choose another --port or "
            "--host"
        ) from None


def _protocol(head_s: float) -> type[asyncio.Protocol]:
    """HTTP/1.1 that closes a connection whose request's head does not come within so many seconds."""

    class Impatient(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._unwatch()
            super().connection_lost(exc)

        def _watch(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._unwatch()
            elif self._timer is None:
                self._timer = self.loop.call_later(head_s, self.transport.close)

        def _unwatch(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Impatient


def _allow_files(wanted: int) -> None:
    """Lets this process have so many connections and files open, as far as the machine's limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
