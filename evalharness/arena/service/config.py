"""Configuration of the arena's voting page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalharness.errors import UserError
from evalharness.util.http.address import check_service_address
from evalharness.util.http.hosts import resolve_allowed_hosts
from evalharness.util.http.request_checks import RequestLimits

BODY_BYTES = 64 << 10
READ_S = 30.0
PUBLIC_PATHS = ("/", "/health", "/static/")
"""URL paths that need no access token: the page itself, which shows no answers without one."""


@dataclass(frozen=True)
class ArenaConfig:
    """Settings of `evalharness arena serve`, which serves the voting page."""

    runs: tuple[Path, ...]
    """Run directories, or folders that contain some."""
    votes: Path
    """The folder that stores pairs and votes."""
    live: tuple[str, ...] = ()
    """Live models, which generate answers when a pair is drawn, each as BACKEND:MODEL."""
    task: str = ""
    """The task whose problems live models answer; required without runs."""
    data: str | None = None
    """Source of the tasks' data: a folder, `hub` or `sample`; None for that of the runs."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the live models' backends and of `task`."""
    sandbox: str = ""
    """The sandbox that grades live answers before they are shown; "" if they are not graded."""
    workers: int = 2
    """Number of live answers that are graded concurrently."""
    uniform: bool = False
    """Whether all pairs of models are drawn with equal probability."""
    recorded: float = 0.0
    """Share of the pairs whose answers appear at the speed at which their models generated them."""
    host: str = "127.0.0.1"
    port: int = 8378
    token: str = field(default="", repr=False)
    """The access token. Voters open the page with `#token=TOKEN`. It may be empty only if `host` is a loopback
    address.
    """
    allowed_hosts: tuple[str, ...] = ()
    """Further host names by which voters may open the page, such as that of a proxy."""

    def check(self) -> None:
        """Raises UserError for invalid settings of the arena."""
        if not 0 <= self.recorded <= 1:
            raise UserError(f"--recorded {self.recorded:g} is not a fraction of the pairs; give a number from 0 to 1")
        if not self.runs and not (self.live and self.task):
            raise UserError(
                "there are no models to compare; give run directories, or --live BACKEND:MODEL with --task NAME"
            )
        if (self.task or self.options) and not self.live:
            raise UserError(
                "--task and --option apply only to live models; add --live BACKEND:MODEL, or leave them out"
            )
        if self.sandbox and not self.live:
            raise UserError(
                "--with-sandbox grades only the answers of live models; add --live BACKEND:MODEL, or leave it out"
            )
        check_service_address(self.host, self.port, self.token)
        resolve_allowed_hosts(self.host, self.allowed_hosts)

    @property
    def limits(self) -> RequestLimits:
        """The access token, the size and time limits and the host names against which each HTTP request is checked."""
        hosts = resolve_allowed_hosts(self.host, self.allowed_hosts)
        return RequestLimits(self.token, BODY_BYTES, 256 * BODY_BYTES, READ_S, PUBLIC_PATHS, hosts)
