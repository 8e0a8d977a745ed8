"""Connects to a Ray cluster and puts a run's sandboxes and backend on it."""

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
from evalharness.pipeline.executors import Executor, Log, OnVerdict
from evalharness.records import Backend, Problem, Task
from evalharness.util.extras import require_extra


def open_cluster(config: RunConfig, stored: Backend | None, log: Log, sandbox_needed: bool) -> Executor:
    """Sandboxes on every node that has a container engine, and replicas of the backend.

    Raises UserError where there is no Ray, no cluster, or no node that can do what is asked for.
    """
    connect(config.ray_address)
    sandboxes = ClusterSandboxes(config, log, sandbox_needed)
    try:
        backend = stored or ClusterBackend(config, log)
    except BaseException:
        sandboxes.close()
        raise

    def grader(task: Task, problems: Mapping[str, Problem], finished: OnVerdict) -> ClusterGrader:
        return ClusterGrader(task, problems, sandboxes, finished, log)

    return Executor(sandboxes, backend, grader, backend.replicas if isinstance(backend, ClusterBackend) else 1)


def connect(address: str | None) -> None:
    """Connects this process to the cluster at an address, or begins one on this machine alone.

    Raises UserError where Ray is not installed, or no cluster is there.
    """
    require_extra("ray", "--engine ray")
    import ray

    if ray.is_initialized():
        return
    settings: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if address and (place := re.fullmatch(r"([^/]+):(\d+)", address)):
            socket.create_connection((place[1], int(place[2])), timeout=10).close()  # Ray itself would try for minutes
        ray.init(**settings, log_to_driver=False, logging_level="error", configure_logging=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"no Ray cluster answers at {address or 'this machine'} ({' '.join(str(error).split())[:200]}); "
            "start one with `ray start --head`, or name it with --ray-address"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():  # Ray's own would end the process without a word
                signal.signal(number, handler)
