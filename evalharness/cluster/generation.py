"""Generates completions with replicas of a backend on Ray nodes; one thread per replica pulls chunks of requests.

Ray places the replicas, one per GPU or as many as configured, and restarts a lost one on another node. The unanswered
requests of its chunk go to any replica.
"""

import contextlib
import itertools
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evalharness.cluster.worker import GenerationWorker
from evalharness.errors import InfrastructureError, UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.executors import Log
from evalharness.records import Completion, Prompt, Request, Sampling

BATCHES_PER_CHUNK = 4
"""Number of batches in a chunk of requests, so that a backend can sort and overlap its requests."""
BUFFERED_COMPLETIONS = 256
"""Most completions that wait for the pipeline; the replicas pause while there are as many."""
NO_REPLICA_S = 300
"""Seconds that a run waits while no replica of the backend is alive, before it fails."""
LOSSES_IN_A_ROW = 5
"""Most successive losses of backend replicas without a completion in between; after one more, the run fails."""


class ClusterBackend:
    """A backend whose replicas run on the nodes of a Ray cluster."""

    def __init__(self, config: RunConfig, log: Log):
        import ray

        self.name, self.log = config.backend, log
        gpus = int(ray.cluster_resources().get("GPU", 0))
        self.replicas = config.replicas or gpus or 1
        if gpus and self.replicas > gpus:
            raise UserError(f"--replicas {self.replicas} exceeds the cluster's {gpus} GPUs; give a smaller number")
        remote_class: Any = ray.remote(GenerationWorker)
        options = {"num_cpus": 0, "num_gpus": 1 if gpus else 0, "max_restarts": -1, "scheduling_strategy": "SPREAD"}
        self._actors = [remote_class.options(**options).remote(config) for _ in range(self.replicas)]
        self._description: Mapping[str, Any] = self._wait_for_remote_result(self._actors[0].describe.remote())
        self.chunk_size = BATCHES_PER_CHUNK * max(config.batch_size, int(self._description.get("concurrency") or 1))

    def _wait_for_remote_result(self, result_reference: Any) -> Any:
        """Waits for a remote call of a replica's method; returns the call's result. Raises the replica's UserError.

        `result_reference` is the Ray reference that the remote call returned.
        """
        import ray

        try:
            return ray.get(result_reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, UserError) else error from None
        except ray.exceptions.ActorDiedError as error:
            cause = getattr(error, "cause", None)
            raise UserError(
                f"backend {self.name} does not start on a node of the cluster: {cause or error}; "
                "correct --model, or install on the nodes what is missing"
            ) from None

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError if the backend does not support the kind of `prompt`, such as infilling."""
        self._wait_for_remote_result(self._actors[0].check_prompt.remote(prompt))

    def why_chat_is_expected(self) -> str:
        """Returns why the backend's model expects chat messages; "" if it expects none, or if this is not known."""
        return str(self._wait_for_remote_result(self._actors[0].why_chat_is_expected.remote()))

    def describe(self) -> Mapping[str, Any]:
        """Returns the backend's settings and model for the run's manifest, without the number of replicas."""
        return dict(self._description)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields one completion per request, in any order, each as soon as it is ready."""
        import ray

        pending = list(requests)
        problems = ray.put({request.key[0]: request.problem for request in pending})
        work = _RequestsAndCompletions(pending)
        threads = [
            threading.Thread(
                target=work.send_requests_to_replica,
                args=(actor, problems, sampling, self.chunk_size, self.log),
                daemon=True,
            )
            for actor in self._actors
        ]
        for thread in threads:
            thread.start()
        try:
            yield from work.iterate_completions()
        finally:
            work.stop.set()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """Ends the backend's replicas. Safe to call twice."""
        import ray

        if ray.is_initialized():
            for actor in self._actors:
                ray.kill(actor)
        self._actors = []


class _RequestsAndCompletions:
    """The requests that wait for a backend replica, and the completions that wait for the pipeline. Thread-safe."""

    def __init__(self, requests: list[Request]):
        self._requests, self._unanswered = iter(requests), len(requests)
        self._serving = 0
        """Number of replicas that are working on a chunk of requests."""
        self._retries: deque[Request] = deque()
        self._ready: queue.Queue[Completion | BaseException] = queue.Queue(BUFFERED_COMPLETIONS)
        self._lock = threading.Lock()
        self.stop = threading.Event()

    def iterate_completions(self) -> Iterator[Completion]:
        """Yields one completion per request. Raises the exception of a replica, if any.

        Raises InfrastructureError if no replica has been alive for `NO_REPLICA_S` seconds.
        """
        idle_s = 0
        while self._unanswered:
            try:
                result = self._ready.get(timeout=1.0)
            except queue.Empty:
                idle_s = 0 if self._serving else idle_s + 1
                if idle_s > NO_REPLICA_S:
                    raise InfrastructureError(
                        f"no replica of the backend has been alive in the Ray cluster for {NO_REPLICA_S} s; start "
                        "nodes with free GPUs or CPUs (`ray status` shows them), then repeat the command, which "
                        "resumes the run"
                    ) from None
                continue
            if isinstance(result, BaseException):
                raise result
            self._unanswered -= 1
            yield result

    def _take_requests(self, max_requests: int) -> list[Request]:
        with self._lock:
            retried = [self._retries.popleft() for _ in range(min(max_requests, len(self._retries)))]
            return retried or list(itertools.islice(self._requests, max_requests))

    def send_requests_to_replica(
        self, replica_actor: Any, problems_reference: Any, sampling: Sampling, chunk_size: int, log: Log
    ) -> None:
        """Sends chunks of requests to a backend replica, one at a time, until `stop` is set.

        `replica_actor` is the Ray actor of the replica, `problems_reference` the Ray reference of the problems by id.
        A chunk has at most `chunk_size` requests.
        """
        import ray

        losses = 0
        while self._wait_until_replica_is_ready(replica_actor):
            unanswered = {request.key: request for request in self._take_requests(chunk_size)}
            if not unanswered:
                self.stop.wait(0.2)  # another replica may still be lost, and its requests come back
                continue
            with self._count_replica_as_serving():
                try:
                    generate = replica_actor.generate.options(num_returns="streaming")
                    for reference in generate.remote([problems_reference], list(unanswered), sampling):
                        completion = ray.get(reference)
                        if unanswered.pop(completion.key, None):
                            self._put_result(completion)
                            losses = 0
                        if self.stop.is_set():
                            return
                except ray.exceptions.RayTaskError as error:
                    self._put_result(error.cause if isinstance(error.cause, UserError) else error)
                    return
                except ray.exceptions.RayError as error:
                    losses += 1
                    log(f"a replica of the backend is lost ({type(error).__name__}); its requests are sent again")
                    if losses > LOSSES_IN_A_ROW:
                        self._put_result(
                            InfrastructureError(
                                f"a replica of the backend was lost {losses} times: {error}; fix the cause that Ray's "
                                "logs on its node give, such as lack of memory, then repeat the command"
                            )
                        )
                        return
            with self._lock:
                self._retries.extend(unanswered.values())

    @contextlib.contextmanager
    def _count_replica_as_serving(self) -> Iterator[None]:
        with self._lock:
            self._serving += 1
        try:
            yield
        finally:
            with self._lock:
                self._serving -= 1

    def _wait_until_replica_is_ready(self, replica_actor: Any) -> bool:
        """Waits until Ray has started, or restarted, a backend replica; returns False if `stop` is set first.

        While Ray cannot place a replica on any node, the other replicas answer all requests.
        """
        import ray

        while not self.stop.is_set():
            try:
                reference = replica_actor.wait_until_loaded.remote()
                while not self.stop.is_set():
                    if ray.wait([reference], timeout=0.5)[0]:
                        ray.get(reference)
                        return True
            except ray.exceptions.RayError:
                self.stop.wait(1.0)
        return False

    def _put_result(self, result: "Completion | BaseException") -> None:
        while not self.stop.is_set():
            try:
                self._ready.put(result, timeout=0.2)
                return
            except queue.Full:
                continue
