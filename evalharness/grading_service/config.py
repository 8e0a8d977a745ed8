"""The configuration of the grading service."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalharness.util.http.address import check_service_address
from evalharness.util.http.hosts import resolve_allowed_hosts
from evalharness.util.http.request_checks import RequestLimits
from evalharness.util.number_checks import check_above_zero, check_at_least


@dataclass(frozen=True)
class ServiceConfig:
    """Settings of the grading service (`evalharness serve-sandbox`). Sizes are in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8377
    token: str = field(default="", repr=False)
    """The access token, which clients send as `Authorization: Bearer TOKEN`. It may be empty only if `host` is a
    loopback address.
    """
    allowed_hosts: tuple[str, ...] = ()
    """Further host names by which clients may address the service, such as that of a proxy."""
    tasks: tuple[str, ...] = ()
    """Tasks to load at the start. Other tasks are loaded on first use."""
    workers: int = 2
    """Samples graded at a time."""
    queue: int = 1000
    """Most samples waiting or running. Submissions beyond it are refused with status 503."""
    per_client: int = 500
    """Most samples waiting or running per client address. Submissions beyond it are refused with status 429."""
    body_bytes: int = 16 << 20
    """Size limit of one submission."""
    bodies_bytes: int = 256 << 20
    """Size limit of all submissions that are being read or graded, together."""
    read_s: float = 30.0
    """Seconds that a client may take to send the headers, and again to send the body."""
    drain_s: float = 60.0
    """Seconds after SIGTERM in which accepted samples are still graded."""
    data: str | None = None
    """Source of the tasks' data: a folder, `hub` or `sample`; None for the default source."""
    sandbox: str = "docker"
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the sandbox."""

    def check(self) -> None:
        """Raises UserError for invalid settings, such as no access token if other machines can reach the service."""
        check_at_least(1, {"--workers": self.workers, "--queue": self.queue, "--per-client": self.per_client})
        check_at_least(1, {"--max-body-mb": min(self.body_bytes, self.bodies_bytes) >> 20})
        check_above_zero({"--read-timeout": self.read_s, "--drain": self.drain_s})
        check_service_address(self.host, self.port, self.token)
        resolve_allowed_hosts(self.host, self.allowed_hosts)

    @property
    def limits(self) -> RequestLimits:
        """What each HTTP request is checked against: access token, size and time limits, and host names."""
        hosts = resolve_allowed_hosts(self.host, self.allowed_hosts)
        return RequestLimits(self.token, self.body_bytes, self.bodies_bytes, self.read_s, allowed_hosts=hosts)
