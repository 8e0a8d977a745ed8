"""What runs on the nodes: a sandbox pool that judges chunks of completions, and a copy of a backend.

Plain classes; `nodes.py` and `generation.py` make Ray actors of them.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.grading import judge
from evalharness.pipeline.validate import check_prompt
from evalharness.records import Completion, Key, Problem, Prompt, Request, Sampling, Verdict
from evalharness.sandbox.engines import image_transfer as shipping
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.version import __version__


class Kept:
    """What an object of the cluster's store holds, read once: tasks may be hundreds of megabytes.

    References come in a list, for Ray would read a bare one for every call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reference: Any = None
        self._value: Any = None

    def get(self, reference: list[Any]) -> Any:
        """The object."""
        import ray

        with self._lock:
            if self._reference != reference[0]:
                self._value, self._reference = ray.get(reference[0]), reference[0]
            return self._value


class GradingWorker:
    """The sandbox pool of a node. Nothing is asked of the container engine before `start`."""

    def __init__(self, config: RunConfig, cpus: int, needed: bool):
        self.config, self.cpus, self.needed = config, cpus, needed
        self.notes: list[str] = []
        self._kept = Kept()

    def start(self, version: str) -> int:
        """Opens the pool; how many samples it judges at a time. Raises UserError where there is no engine."""
        if version != __version__:
            raise UserError(f"it has evalharness {__version__}, the driver {version}; install the same on every node")
        options = self.config.sandbox_options()
        workers = self.config.workers or self.cpus
        self.pool = open_sandbox(self.config.sandbox, workers, options, self.notes.append, needed=self.needed)
        self.threads = ThreadPoolExecutor(self.pool.threads, "judge")
        return self.pool.workers

    def image_id(self, image: str) -> str | None:
        """The image's id, if it is there."""
        return shipping.image_id(self.pool.engine, image)

    def pack(self, image: str) -> bytes:
        """The image as a file that `unpack` of another node takes."""
        return shipping.pack(self.pool.engine, image)

    def unpack(self, data: bytes) -> None:
        """Loads an image."""
        shipping.unpack(self.pool.engine, data)

    def prepare(self, images: list[str]) -> Mapping[str, Any]:
        """Makes the images ready, building what is missing; what the pool says of itself."""
        self.pool.prepare(images)
        return self.pool.describe()

    def judge(self, task_reference: list[Any], completions: Sequence[Completion]) -> list[Verdict]:
        """The verdicts on completions of a task, in their order; as many at a time as the pool takes."""
        task, problems = self._kept.get(task_reference)

        def one(completion: Completion) -> Verdict:
            return judge(task, problems[completion.task_id], completion, self.pool)

        return list(self.threads.map(one, completions))

    def close(self) -> None:
        """Ends every container."""
        self.pool.close()
        self.threads.shutdown(cancel_futures=True)


class GenerationWorker:
    """A copy of a backend."""

    def __init__(self, config: RunConfig):
        self.backend = make_backend(config)
        self._kept = Kept()

    def ready(self) -> None:
        """Answers when the backend is there."""

    def accept(self, prompt: Prompt) -> None:
        """Raises UserError for a prompt of a kind that the backend cannot take."""
        check_prompt(self.backend, prompt)

    def describe(self) -> Mapping[str, Any]:
        """What the backend says of itself."""
        return self.backend.describe()

    def generate(self, problems_reference: list[Any], keys: Sequence[Key], sampling: Sampling) -> Iterator[Completion]:
        """The completions of a chunk of requests, each as soon as it is ready."""
        problems: Mapping[str, Problem] = self._kept.get(problems_reference)
        requests = [Request(problems[task_id], sample_id) for task_id, sample_id in keys]
        yield from self.backend.generate(requests, sampling)
