"""Generates completions with copies of a backend on the nodes: a thread per copy pulls chunks of requests.

Ray places the copies, one per GPU or as many as asked for, and starts one that was lost elsewhere; the requests of its
chunk that were not answered go to any copy.
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

BATCHES = 4
"""Batches in a chunk, so that a backend can order and overlap its requests."""
READY = 256
"""Completions that may wait to be taken; beyond that the copies wait."""
NO_COPY_S = 300
"""How long a run waits for a copy where there is none."""
TRIES = 5
"""Times in a row that a copy may be lost without having answered anything."""


class ClusterBackend:
    """A backend whose copies are on the nodes."""

    def __init__(self, config: RunConfig, log: Log):
        import ray

        self.name, self.log = config.backend, log
        gpus = int(ray.cluster_resources().get("GPU", 0))
        self.replicas = config.replicas or gpus or 1
        if gpus and self.replicas > gpus:
            raise UserError(f"--replicas {self.replicas} are more than the cluster's {gpus} GPUs")
        kind: Any = ray.remote(GenerationWorker)
        options = {"num_cpus": 0, "num_gpus": 1 if gpus else 0, "max_restarts": -1, "scheduling_strategy": "SPREAD"}
        self._actors = [kind.options(**options).remote(config) for _ in range(self.replicas)]
        self._description: Mapping[str, Any] = self._ask(self._actors[0].describe.remote())
        self.chunk = BATCHES * max(config.batch_size, int(self._description.get("concurrency") or 1))

    def _ask(self, reference: Any) -> Any:
        """What the first copy answers. Raises what it raised, as it would here."""
        import ray

        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, UserError) else error from None
        except ray.exceptions.ActorDiedError as error:
            cause = getattr(error, "cause", None)
            raise UserError(f"backend {self.name} does not start on the cluster: {cause or error}") from None

    def accept(self, prompt: Prompt) -> None:
        """Raises UserError for a prompt of a kind that the backend cannot take."""
        self._ask(self._actors[0].accept.remote(prompt))

    def describe(self) -> Mapping[str, Any]:
        """What the backend itself says: where its copies are changes no number."""
        return dict(self._description)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """One completion per request, in any order, each as soon as it is ready."""
        import ray

        every = list(requests)
        problems = ray.put({request.key[0]: request.problem for request in every})
        work = _Work(iter(every), len(every))
        threads = [
            threading.Thread(target=work.serve, args=(actor, problems, sampling, self.chunk, self.log), daemon=True)
            for actor in self._actors
        ]
        for thread in threads:
            thread.start()
        try:
            yield from work.results()
        finally:
            work.stop.set()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """Ends the copies. Safe to call twice."""
        import ray

        if ray.is_initialized():
            for actor in self._actors:
                ray.kill(actor)
        self._actors = []


class _Work:
    """Requests that are not answered yet, and answers that are not taken yet."""

    def __init__(self, requests: Iterator[Request], count: int):
        self._requests, self._left, self._serving = requests, count, 0
        self._again: deque[Request] = deque()
        self._ready: queue.Queue[Completion | BaseException] = queue.Queue(READY)
        self._lock = threading.Lock()
        self.stop = threading.Event()

    def results(self) -> Iterator[Completion]:
        """As many completions as there are requests. Raises what a copy raised, or that there is none."""
        waited = 0
        while self._left:
            try:
                found = self._ready.get(timeout=1.0)
            except queue.Empty:
                waited = 0 if self._serving else waited + 1
                if waited > NO_COPY_S:
                    raise InfrastructureError("no copy of the backend is left in the cluster") from None
                continue
            if isinstance(found, BaseException):
                raise found
            self._left -= 1
            yield found

    def _take(self, most: int) -> list[Request]:
        with self._lock:
            taken = [self._again.popleft() for _ in range(min(most, len(self._again)))]
            return taken or list(itertools.islice(self._requests, most))

    def serve(self, actor: Any, problems: Any, sampling: Sampling, most: int, log: Log) -> None:
        """Has one chunk after the other answered by a copy, until the caller has all it wants."""
        import ray

        losses = 0
        while self._there(actor):
            left = {request.key: request for request in self._take(most)}
            if not left:
                self.stop.wait(0.2)  # another copy may yet be lost
                continue
            with self._counted():
                try:
                    stream = actor.generate.options(num_returns="streaming").remote([problems], list(left), sampling)
                    for reference in stream:
                        completion = ray.get(reference)
                        if left.pop(completion.key, None):
                            self._offer(completion)
                            losses = 0
                        if self.stop.is_set():
                            return
                except ray.exceptions.RayTaskError as error:
                    self._offer(error.cause if isinstance(error.cause, UserError) else error)
                    return
                except ray.exceptions.RayError as error:
                    losses += 1
                    log(f"a copy of the backend is lost ({type(error).__name__}); its requests are asked again")
                    if losses > TRIES:
                        self._offer(InfrastructureError(f"a copy of the backend is lost again and again: {error}"))
                        return
            with self._lock:
                self._again.extend(left.values())

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._serving += 1
        try:
            yield
        finally:
            with self._lock:
                self._serving -= 1

    def _there(self, actor: Any) -> bool:
        """Waits for a copy that is being started, perhaps elsewhere; False if all was done before it was there.

        A copy that has no place to be is given no requests, which the others can answer.
        """
        import ray

        while not self.stop.is_set():
            try:
                reference = actor.ready.remote()
                while not self.stop.is_set():
                    if ray.wait([reference], timeout=0.5)[0]:
                        ray.get(reference)
                        return True
            except ray.exceptions.RayError:
                self.stop.wait(1.0)
        return False

    def _offer(self, found: "Completion | BaseException") -> None:
        while not self.stop.is_set():
            try:
                self._ready.put(found, timeout=0.2)
                return
            except queue.Full:
                continue
