"""Opens the sandbox that a run asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.engines.base_images import Log
from evalharness.sandbox.engines.container import Container
from evalharness.sandbox.engines.guarantees import GUARANTEES
from evalharness.sandbox.pool import ContainerPool
from evalharness.util.suggest import unknown_name

GROUP = "evalharness.sandboxes"
OPTIONS = ("runtime", "memory_gb", "allow")
"""The `--option` keys of the sandbox."""


def sandbox_names() -> list[str]:
    """Returns the names of all engines."""
    return sorted(point.name for point in entry_points(group=GROUP))


def find_engine(name: str) -> Any:
    """Returns the engine's class. Raises UserError for an unknown name."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    raise UserError(unknown_name("sandbox", name, sandbox_names()))


class NoEngine:
    """The engine of a run without programs, so that no container engine has to be installed."""

    name = "none"

    def prepare(self, image: str) -> dict[str, str]:
        """Raises InfrastructureError."""
        raise InfrastructureError(f"no engine was opened for image {image}")

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Raises InfrastructureError."""
        raise InfrastructureError(f"no engine was opened for image {image}")

    def describe(self) -> dict[str, str]:
        """Returns the name of the engine."""
        return {"engine": self.name, "runtime": self.name}


@dataclass(frozen=True)
class SandboxOptions:
    """The options of a sandbox, checked."""

    runtime: str | None = None
    """Another runtime of the docker engine, such as runsc."""
    memory_mb: int | None = None
    """The memory of all containers together; None for 90 % of the machine's."""
    allow: frozenset[str] = frozenset()
    """Guarantees that the engine may lack."""


def parse_sandbox_options(name: str, options: Mapping[str, str]) -> SandboxOptions:
    """Returns the options of the engine `name`: `runtime`, `memory_gb`, `allow` (guarantees, separated by commas).

    Raises UserError for an unknown engine or guarantee, and for an impossible value.
    """
    find_engine(name)
    runtime = options.get("runtime")
    if runtime and name != "docker":
        raise UserError(f"--option runtime= is for --sandbox docker, not {name}")
    try:
        memory_mb = int(float(options["memory_gb"]) * 1024) if "memory_gb" in options else None
    except ValueError:
        raise UserError(f"--option memory_gb={options['memory_gb']} is not a number") from None
    allow = frozenset(filter(None, options.get("allow", "").split(",")))
    for guarantee in allow:
        if guarantee not in GUARANTEES:
            raise UserError(unknown_name("guarantee", guarantee, list(GUARANTEES)))
    return SandboxOptions(runtime, memory_mb, allow)


def open_sandbox(
    name: str, workers: int, options: Mapping[str, str], log: Log, *, needed: bool = True
) -> ContainerPool:
    """Returns a pool of containers of the engine `name`. `log` receives the messages of image builds.

    Without `needed`, as for tasks that run nothing, the options are checked but no engine is connected to.
    Raises UserError as `parse_sandbox_options`, and where the engine is not available.
    """
    parsed = parse_sandbox_options(name, options)
    settings = {"runtime": parsed.runtime} if parsed.runtime else {}
    engine = find_engine(name)(log=log, **settings) if needed else NoEngine()
    return ContainerPool(engine, workers, budget_mb=parsed.memory_mb, allow=parsed.allow)
