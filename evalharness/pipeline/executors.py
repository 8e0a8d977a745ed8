"""Where the work of a run is done: on this machine, or on the nodes of a Ray cluster. The store stays here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from evalharness.errors import UserError
from evalharness.pipeline.grading import Grader
from evalharness.records import Backend, Completion, Problem, Task, Verdict
from evalharness.sandbox.factory import OPTIONS as SANDBOX_OPTIONS
from evalharness.sandbox.factory import open_sandbox
from evalharness.sandbox.pool import ContainerPool
from evalharness.util.suggest import unknown_name

if TYPE_CHECKING:
    from evalharness.pipeline.pipeline import RunConfig

ENGINES = ("local", "ray")
Log = Callable[[str], None]
Finished = Callable[[Verdict], None]
"""Takes each verdict as it comes; called from many threads."""


class Judging(Protocol):
    """What judges completions while others are being generated; see `grading.Grader`."""

    def put(self, completion: Completion) -> None: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...
    def join(self) -> None: ...


class Sandboxes(Protocol):
    """Where programs are run: on this machine, or on many."""

    @property
    def workers(self) -> int:
        """Samples judged at a time."""
        ...

    def prepare(self, names: list[str]) -> None:
        """Makes the images ready. Raises UserError where they cannot be had."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Engine, image ids and toolchain versions, for the manifest."""
        ...

    def close(self) -> None:
        """Ends every container. Safe to call twice."""
        ...


@dataclass(frozen=True)
class Engine:
    """Sandboxes, backend, and what makes a grader of a task's completions. `close` frees both."""

    sandbox: Sandboxes
    backend: Backend
    grader: Callable[[Task, Mapping[str, Problem], Finished], Judging]
    copies: int = 1
    """Of the backend, each on hardware of its own."""

    def close(self) -> None:
        """Frees everything. Safe to call twice."""
        self.backend.close()
        self.sandbox.close()


def open_engine(
    config: "RunConfig", make_backend: Callable[["RunConfig"], Backend], log: Log, sandbox_needed: bool
) -> Engine:
    """The engine that is asked for. Raises UserError where it, or the backend, cannot be had."""
    if config.engine == "local":
        return _open_local(config, make_backend, log, sandbox_needed)
    if config.engine != "ray":
        raise UserError(unknown_name("engine", config.engine, list(ENGINES)))
    from evalharness.cluster.executor import open_cluster

    return open_cluster(config, make_backend, log, sandbox_needed)


def _open_local(
    config: "RunConfig", make_backend: Callable[["RunConfig"], Backend], log: Log, sandbox_needed: bool
) -> Engine:
    settings = {key: value for key, value in config.options.items() if key in SANDBOX_OPTIONS}
    sandbox = open_sandbox(config.sandbox, config.workers, settings, log, needed=sandbox_needed)
    try:
        backend = make_backend(config)
    except BaseException:
        sandbox.close()
        raise
    if sandbox.workers < config.workers:
        log(f"memory allows {sandbox.workers} samples at a time, not {config.workers}; see --option memory_gb=")

    def grader(task: Task, problems: Mapping[str, Problem], finished: Finished) -> Grader:
        return Grader(task, problems, sandbox, expected_cost(task, sandbox), finished, sandbox.threads)

    return Engine(sandbox, backend, grader)


def expected_cost(task: Task, sandbox: ContainerPool) -> Callable[[Problem], float]:
    """How many seconds a problem should take, by its official solution."""

    def cost(problem: Problem) -> float:
        if problem.reference is None:
            return 0.0
        program = task.program(problem, Completion(problem.task_id, 0, problem.reference, form="solution"))
        return sandbox.expected_s(program) if program else 0.0

    return cost
