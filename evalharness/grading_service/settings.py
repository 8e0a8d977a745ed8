"""How the service is set up."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalharness.errors import UserError

TOKEN = "EVALHARNESS_TOKEN"
"""The environment variable that a token is read from: the command line can be seen by everyone on the machine."""


@dataclass(frozen=True)
class ServiceConfig:
    """One service. Sizes are in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8377
    token: str = field(default="", repr=False)
    """What clients send as `Authorization: Bearer ...`; may be empty on loopback alone."""
    tasks: tuple[str, ...] = ()
    """Made ready at the start; others are on first use."""
    workers: int = 2
    queue: int = 1000
    """Samples that may be waiting or in work; beyond that submissions are refused with 503."""
    per_client: int = 500
    """The same for one client's address; beyond that its submissions are refused with 429."""
    body_bytes: int = 16 << 20
    """The longest submission."""
    bodies_bytes: int = 256 << 20
    """All submissions that are being read or judged, together."""
    read_s: float = 30.0
    """How long a client may take to send its headers, and again its submission."""
    drain_s: float = 60.0
    """How long accepted samples are still judged after SIGTERM."""
    data: str | None = None
    sandbox: str = "docker"
    options: Mapping[str, str] = field(default_factory=dict)
    """The sandbox's, as of `run`."""

    def check(self) -> None:
        """Raises UserError for settings that will not do."""
        if min(self.workers, self.queue, self.per_client, self.body_bytes, self.bodies_bytes) < 1:
            raise UserError("--workers, --queue, --per-client and --max-body-mb must be at least 1")
        if min(self.read_s, self.drain_s) <= 0:
            raise UserError("--read-timeout and --drain must be above 0")
        if not 0 < self.port < 1 << 16:
            raise UserError(f"--port {self.port} is none; give one from 1 to 65535")
        if not self.token and not is_loopback(self.host):
            raise UserError(
                f"{self.host} can be reached from other machines; set ${TOKEN} to a secret that clients must send, or "
                "listen on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
