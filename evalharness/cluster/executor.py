"""Connects to a Ray cluster and opens a run's sandboxes and backend on it."""

import re
import signal
import socket
import threading
from collections.abc import Mapping
from typing import Any

from evalharness.cluster.generation import ClusterBackend
from evalharness.cluster.grading import ClusterGrader
from evalharness.cluster.nodes import ClusterSandboxes
from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.executors import Executor, Log, VerdictCallback
from evalharness.records import Backend, Problem, Task
from evalharness.util.extras import require_extra

CONNECT_S = 10.0
"""Seconds to connect to the address of a Ray cluster. Ray itself would try for minutes."""


def open_cluster(
    config: RunConfig, backend_with_stored_completions: Backend | None, log: Log, sandbox_needed: bool
) -> Executor:
    """Opens the executor `ray`: sandboxes on the nodes of a Ray cluster, and replicas of the configured backend.

    If `backend_with_stored_completions` is not None, this process uses it, and no replicas are started.
    `sandbox_needed` is False for tasks that run no programs. Raises UserError if Ray is not installed, no cluster
    answers, or the backend does not start.
    """
    connect_to_ray(config.ray_address)
    sandboxes = ClusterSandboxes(config, log, sandbox_needed)
    try:
        backend = backend_with_stored_completions or ClusterBackend(config, log)
    except BaseException:
        sandboxes.close()
        raise

    def make_grader(task: Task, problems: Mapping[str, Problem], on_verdict: VerdictCallback) -> ClusterGrader:
        return ClusterGrader(task, problems, sandboxes, on_verdict, log)

    return Executor(sandboxes, backend, make_grader, backend.replicas if isinstance(backend, ClusterBackend) else 1)


def connect_to_ray(address: str | None) -> None:
    """Connects this process to the Ray cluster at `address`; if None, starts a cluster on this machine.

    Raises UserError if Ray is not installed or no cluster answers.
    """
    require_extra("ray", "--executor ray")
    import ray

    if ray.is_initialized():
        return
    settings: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if address and (match := re.fullmatch(r"([^/]+):(\d+)", address)):
            socket.create_connection((match[1], int(match[2])), timeout=CONNECT_S).close()
        ray.init(**settings, log_to_driver=False, logging_level="error", configure_logging=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"no Ray cluster answers at {address or 'this machine'} ({' '.join(str(error).split())[:200]}); "
            "start one with `ray start --head`, or give the address of another one with --ray-address"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():  # Ray's own handlers would end the process without cleaning up
                signal.signal(number, handler)
