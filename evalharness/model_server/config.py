"""Configuration of the model server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalharness.util.http.address import check_service_address
from evalharness.util.http.hosts import resolve_allowed_hosts
from evalharness.util.http.request_checks import RequestLimits
from evalharness.util.number_checks import check_above_zero, check_at_least

KEY_VARIABLE = "EVALHARNESS_API_KEY"
"""The default environment variable of the API key. There is no option for the key itself: every user of the machine can
read command lines.
"""

PUBLIC_PATHS = ("/", "/static/", "/health")
"""URL paths that need no API key: health, and the playground's page, which asks for the key."""


@dataclass(frozen=True)
class ServerConfig:
    """Settings of `evalharness serve`. Sizes are in bytes, times in seconds."""

    backend: str = "diffusion"
    model: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the backend; a request can override its decoding options."""
    host: str = "127.0.0.1"
    port: int = 8378
    key: str = field(default="", repr=False)
    """The API key, which clients send as `Authorization: Bearer KEY`. It may be empty only if `host` is a loopback
    address.
    """
    key_variable: str = KEY_VARIABLE
    allowed_hosts: tuple[str, ...] = ()
    """Further host names by which clients may address the server, such as that of a proxy."""
    concurrency: int = 8
    """Maximum number of completions that are decoded concurrently."""
    queue: int = 64
    """Maximum number of waiting completions. Requests beyond it get HTTP status 429."""
    max_new_tokens: int = 768
    """The token limit of requests that do not set one."""
    request_s: float = 600.0
    """Time limit of one request."""
    body_bytes: int = 8 << 20
    bodies_bytes: int = 128 << 20
    read_s: float = 30.0
    """Time limit for receiving a request's headers, and another one of the same length for its body."""
    drain_s: float = 30.0
    """Time after SIGTERM in which accepted requests are still answered."""
    cors: tuple[str, ...] = ()
    """Origins of other web pages that may call the server (CORS)."""
    sandbox: str = ""
    """The sandbox engine in which the playground runs answers; empty: none."""
    workers: int = 2
    """Programs that run in the sandbox concurrently."""
    data: str | None = None
    """Source of the tasks' data for the playground: a folder, `hub` or `sample`; None for the default source."""

    def check(self) -> None:
        """Raises UserError for invalid settings of the model server."""
        check_at_least(1, {"--max-concurrency": self.concurrency, "--max-new-tokens": self.max_new_tokens})
        check_at_least(1, {"--workers": self.workers})
        check_at_least(0, {"--queue": self.queue})
        check_above_zero({"--max-body-mb": self.body_bytes / (1 << 20), "--read-timeout": self.read_s})
        check_above_zero({"--drain": self.drain_s, "--request-timeout": self.request_s})
        check_service_address(self.host, self.port, self.key, self.key_variable)
        resolve_allowed_hosts(self.host, self.allowed_hosts)

    @property
    def limits(self) -> RequestLimits:
        """The API key, the size and time limits and the host names against which each HTTP request is checked."""
        hosts = resolve_allowed_hosts(self.host, self.allowed_hosts)
        return RequestLimits(self.key, self.body_bytes, self.bodies_bytes, self.read_s, PUBLIC_PATHS, hosts)
