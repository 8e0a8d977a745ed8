"""Executors: they generate and grade a run's samples on this machine, or on the nodes of a cluster.

Executors are found by name in the entry-point group `evalharness.executors`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.grading import Grader
from evalharness.records import Backend, Completion, Problem, Task, Verdict
from evalharness.sandbox.factory import open_sandbox
from evalharness.sandbox.pool import ContainerPool
from evalharness.util.plugins import load_plugin

EXECUTOR_GROUP = "evalharness.executors"
Log = Callable[[str], None]
VerdictCallback = Callable[[Verdict], None]
"""Takes each verdict as soon as it is known; called from many threads."""


class GraderProtocol(Protocol):
    """Grades completions on threads while others are still being generated. `grading.Grader` implements it."""

    def put(self, completion: Completion) -> None:
        """Queues a completion; blocks while the queue is full."""
        ...

    def finish(self) -> None:
        """Waits until every queued completion has a verdict."""
        ...

    def close(self) -> None:
        """Stops grading; completions that are still queued get no verdict."""
        ...

    def join(self) -> None:
        """Waits for the grading threads to end, after `finish` or `close`."""
        ...


class Sandboxes(Protocol):
    """The sandboxes that run programs, on this machine or on the nodes of a cluster."""

    @property
    def workers(self) -> int:
        """Maximum number of samples graded at the same time."""
        ...

    def prepare(self, image_names: list[str]) -> None:
        """Builds the sandbox images `image_names` that do not exist. Raises UserError if one cannot be built."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Returns the container engine, image ids and toolchain versions of the sandbox, for the run's manifest."""
        ...

    def close(self) -> None:
        """Stops all sandbox containers. Can be called repeatedly."""
        ...


@dataclass(frozen=True)
class Executor:
    """What generates and grades samples: a backend, the sandboxes, and a function that creates a task's grader."""

    sandbox: Sandboxes
    backend: Backend
    grader: Callable[[Task, Mapping[str, Problem], VerdictCallback], GraderProtocol]
    copies: int = 1
    """Copies of the backend, each on its own hardware."""

    def close(self) -> None:
        """Closes the backend and the sandboxes. Can be called repeatedly."""
        self.backend.close()
        self.sandbox.close()


ExecutorOpener = Callable[[RunConfig, Backend | None, Log, bool], Executor]
"""Opens an executor. Arguments: configuration, backend with stored completions or None, log, whether programs run."""


def find_executor_opener(executor_name: str) -> ExecutorOpener:
    """Returns the function that opens an executor, such as `local` or `ray`. Raises UserError for an unknown name."""
    return cast(ExecutorOpener, load_plugin(EXECUTOR_GROUP, "executor", executor_name))


def open_local(
    config: RunConfig, backend_with_stored_completions: Backend | None, log: Log, sandbox_needed: bool
) -> Executor:
    """Opens the executor `local`, which generates and grades on this machine.

    `backend_with_stored_completions` returns completions that exist already, such as those of a samples file; if it is
    None, the configured backend is opened. `sandbox_needed` is False for tasks that run no programs. Raises UserError
    if the sandbox or the backend is not available.
    """
    sandbox = open_sandbox(config.sandbox, config.workers, config.sandbox_options(), log, needed=sandbox_needed)
    try:
        backend = backend_with_stored_completions or make_backend(config)
    except BaseException:
        sandbox.close()
        raise
    if sandbox.workers < config.workers:
        log(
            f"the sandbox's memory allows {sandbox.workers} samples at a time, not --workers {config.workers}; "
            "--option memory_gb= changes it"
        )

    def make_grader(task: Task, problems: Mapping[str, Problem], on_verdict: VerdictCallback) -> Grader:
        return Grader(task, problems, sandbox, make_grading_time_estimator(task, sandbox), on_verdict, sandbox.threads)

    return Executor(sandbox, backend, make_grader)


def make_grading_time_estimator(task: Task, sandbox: ContainerPool) -> Callable[[Problem], float]:
    """Returns a function that estimates a problem's grading time in seconds: the run time of its official solution."""

    def estimate_grading_seconds(problem: Problem) -> float:
        if problem.reference is None:
            return 0.0
        program = task.program(problem, Completion(problem.task_id, 0, problem.reference, form="solution"))
        return sandbox.estimated_run_s(program) if program else 0.0

    return estimate_grading_seconds
