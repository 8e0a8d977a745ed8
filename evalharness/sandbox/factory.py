"""Opens the sandbox that a run asks for."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.engines.container import Container
from evalharness.sandbox.engines.guarantees import GUARANTEES
from evalharness.sandbox.engines.images import Log
from evalharness.sandbox.pool import ContainerPool
from evalharness.util.suggest import unknown_name

GROUP = "evalharness.sandboxes"
OPTIONS = ("runtime", "memory_gb", "allow")
"""The `--option` keys that belong to the sandbox."""


def sandbox_names() -> list[str]:
    """The engines that can be asked for."""
    return sorted(point.name for point in entry_points(group=GROUP))


def find_engine(name: str) -> Any:
    """The engine's class. Raises UserError for an unknown name."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    raise UserError(unknown_name("sandbox", name, sandbox_names()))


class NoEngine:
    """Stands where nothing is run, so that none has to be there."""

    name = "none"

    def prepare(self, image: str) -> dict[str, str]:
        """Refuses: it has no images."""
        raise InfrastructureError(f"no engine was opened for image {image}")

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Refuses: it starts nothing."""
        raise InfrastructureError(f"no engine was opened for image {image}")

    def describe(self) -> dict[str, Any]:
        """Says that there is none."""
        return {"engine": self.name, "runtime": self.name}


def open_sandbox(
    name: str, workers: int, options: Mapping[str, str], log: Log, *, needed: bool = True
) -> ContainerPool:
    """A pool of containers by the engine of that name. `log` takes what building an image has to say.

    Where none is `needed`, as the tasks run nothing, the settings are checked all the same, but no engine is asked for.

    Options: `runtime` (docker: another runtime, such as runsc), `memory_gb` (for all containers together), `allow`
    (guarantees that may lack, with commas). Raises UserError for values that will not do.
    """
    engine = find_engine(name)
    settings = {"runtime": options["runtime"]} if "runtime" in options else {}
    if settings and name != "docker":
        raise UserError(f"--option runtime= is for --sandbox docker, not {name}")
    try:
        budget = int(float(options["memory_gb"]) * 1024) if "memory_gb" in options else None
    except ValueError:
        raise UserError(f"--option memory_gb={options['memory_gb']} is not a number") from None
    allow = frozenset(filter(None, options.get("allow", "").split(",")))
    for guarantee in allow:
        if guarantee not in GUARANTEES:
            raise UserError(unknown_name("guarantee", guarantee, list(GUARANTEES)))
    opened = engine(log=log, **settings) if needed else NoEngine()
    return ContainerPool(opened, workers, budget_mb=budget, allow=allow)
