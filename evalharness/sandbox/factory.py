"""Creates the sandbox that a run's options ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.errors import InfrastructureError, UserError
from evalharness.records.options import OptionDescription
from evalharness.sandbox.engines.base_images import Log
from evalharness.sandbox.engines.container import Container, ImageIdentity
from evalharness.sandbox.engines.guarantees import GUARANTEES
from evalharness.sandbox.pool import ContainerPool
from evalharness.sandbox.time_bound import DEFAULT_FACTOR
from evalharness.util.limits.texts import MAX_TEXT_BYTES
from evalharness.util.plugins import load_plugin
from evalharness.util.suggest import unknown_name_message

ENGINE_GROUP = "evalharness.sandboxes"
"""The entry-point group in which a package registers its sandbox engines."""
ISOLATIONS = ("namespaces", "containers")
"""What separates a sample from others unless it is harmless (its text shows that it can only compute): namespaces
alone, or also its own container.
"""
DESCRIBED_OPTIONS = (
    OptionDescription("runtime", "text", "", "Engine docker only: another container runtime, such as runsc"),
    OptionDescription(
        "memory_gb", "number", "", "Memory of all containers together, in GiB; by default 90 % of the machine's"
    ),
    OptionDescription(
        "allow", ", ".join(GUARANTEES), "", "Guarantees that the engine need not provide, separated by commas"
    ),
    OptionDescription(
        "max_text_mb", "number", f"{MAX_TEXT_BYTES / 1e6:g}", "Size limit of an answer and of a program, in MB"
    ),
    OptionDescription(
        "bound",
        "number",
        f"{DEFAULT_FACTOR:g}",
        "Time limit of all runs of a sample together, as a multiple of the limit of one run",
    ),
    OptionDescription(
        "isolation",
        ", ".join(ISOLATIONS),
        ISOLATIONS[0],
        "What separates a sample that is not harmless from other samples",
    ),
)
OPTIONS = tuple(option.name for option in DESCRIBED_OPTIONS)
"""The `--option` keys of the sandbox."""
VERDICT_OPTIONS = frozenset({"max_text_mb", "bound"})
"""The sandbox options that can change a verdict."""


def engine_class(engine_name: str) -> Any:
    """Returns the class of a sandbox engine, such as DockerEngine. Raises UserError for an unknown name."""
    return load_plugin(ENGINE_GROUP, "sandbox", engine_name)


class NoEngine:
    """The sandbox engine of tasks that run no programs: it starts no containers, and needs no Docker."""

    name = "none"

    def prepare(self, image: str) -> ImageIdentity:
        """Always raises InfrastructureError: this engine has no images."""
        raise InfrastructureError(
            f"the task's adapter runs a program in image {image}, but declares that the task runs no programs; report "
            "this bug to the author of the adapter"
        )

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Always raises InfrastructureError: this engine starts no containers."""
        raise InfrastructureError(
            f"the task's adapter runs a program in image {image}, but declares that the task runs no programs; report "
            "this bug to the author of the adapter"
        )

    def describe(self) -> dict[str, str]:
        """Returns "none" as engine (key `engine`) and as runtime (key `runtime`), for a run's manifest."""
        return {"engine": self.name, "runtime": self.name}


@dataclass(frozen=True)
class SandboxOptions:
    """The validated `--option` values of a sandbox."""

    runtime: str | None = None
    """The container runtime that the engine docker uses instead of its default, such as runsc."""
    memory_mb: int | None = None
    """Memory of all containers together; None for 90 % of the machine's."""
    allowed_to_lack: frozenset[str] = frozenset()
    """Names of guarantees, such as `network-off`, that the engine need not provide."""
    max_text_bytes: int = MAX_TEXT_BYTES
    """Size limit of an answer and of a program."""
    total_time_factor: float = DEFAULT_FACTOR
    """Time limit of all runs of a sample together, as a multiple of the limit of one run."""
    own_containers: bool = False
    """Whether samples that may do more than compute (see `can_only_compute`) run in separate containers, not only in
    separate namespaces.
    """


def parse_sandbox_options(engine_name: str, options: Mapping[str, str]) -> SandboxOptions:
    """Validates the `--option` values for a sandbox engine (see `DESCRIBED_OPTIONS`); returns them converted.

    Raises UserError for an unknown engine or guarantee, and for an invalid value.
    """
    memory_gb, max_text_mb, time_factor = (
        _positive_number(options, name) for name in ("memory_gb", "max_text_mb", "bound")
    )
    engine_class(engine_name)
    runtime = options.get("runtime")
    if runtime and engine_name != "docker":
        raise UserError(f"--option runtime= works only with --sandbox docker, not {engine_name}; leave it out")
    allow = frozenset(filter(None, options.get("allow", "").split(",")))
    for guarantee in allow:
        if guarantee not in GUARANTEES:
            raise UserError(unknown_name_message("guarantee", guarantee, list(GUARANTEES)))
    isolation = options.get("isolation", ISOLATIONS[0])
    if isolation not in ISOLATIONS:
        raise UserError(unknown_name_message("isolation", isolation, list(ISOLATIONS)))
    return SandboxOptions(
        runtime,
        int(memory_gb * 1024) if memory_gb else None,
        allow,
        int(max_text_mb * 1e6) if max_text_mb else MAX_TEXT_BYTES,
        time_factor or DEFAULT_FACTOR,
        isolation == "containers",
    )


def _positive_number(options: Mapping[str, str], option_name: str) -> float | None:
    """Returns the number that an option is set to; None if it is not set. Raises UserError if it is not above 0."""
    if option_name not in options:
        return None
    try:
        number = float(options[option_name])
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UserError(
            f"--option {option_name}={options[option_name]} is not a number above 0; give for example {option_name}=2"
        )
    return number


def open_sandbox(
    engine_name: str, workers: int, options: Mapping[str, str], log: Log, *, needed: bool = True
) -> ContainerPool:
    """Returns a container pool of the sandbox engine `engine_name`, which runs up to `workers` programs at a time.

    `log` receives the messages of image builds. `needed` is False if the task runs no programs: only the options are
    validated then, and no engine is started. Raises UserError for invalid options, and if the engine is not available.
    """
    parsed = parse_sandbox_options(engine_name, options)
    settings = {"runtime": parsed.runtime} if parsed.runtime else {}
    engine = engine_class(engine_name)(log=log, **settings) if needed else NoEngine()
    return ContainerPool(
        engine,
        workers,
        budget_mb=parsed.memory_mb,
        allowed_to_lack=parsed.allowed_to_lack,
        max_text_bytes=parsed.max_text_bytes,
        total_time_factor=parsed.total_time_factor,
        own_containers=parsed.own_containers,
    )
