"""The classes that run on Ray nodes: a sandbox pool that grades chunks of completions, and a backend replica.

These are plain classes; `nodes.py` and `generation.py` make Ray actors of them.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.grading import grade_completion
from evalharness.pipeline.validate import check_prompt_is_supported
from evalharness.records import Completion, Key, KnowsChat, Problem, Prompt, Request, Sampling, Verdict
from evalharness.sandbox.engines import image_transfer
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.version import __version__


class ObjectCache:
    """Caches the last object that was read from Ray's object store, since a task may have hundreds of megabytes.

    A Ray reference is passed inside a list, because Ray reads the object of a direct argument in every call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reference: Any = None
        self._value: Any = None

    def get_object(self, boxed_reference: list[Any]) -> Any:
        """Returns the object of a Ray reference, given as a list with the reference as its only item."""
        import ray

        with self._lock:
            if self._reference != boxed_reference[0]:
                self._value, self._reference = ray.get(boxed_reference[0]), boxed_reference[0]
            return self._value


class GradingWorker:
    """Grades chunks of completions in the sandbox pool of a Ray node. Call `start_workers` first."""

    def __init__(self, config: RunConfig, cpus: int, sandbox_needed: bool):
        self.config, self.cpus, self.sandbox_needed = config, cpus, sandbox_needed
        self.messages: list[str] = []
        """Log lines of building images."""
        self._cache = ObjectCache()

    def start_workers(self, driver_version: str) -> int:
        """Opens the node's sandbox pool and returns how many samples it grades at a time.

        Raises UserError if this node has no container engine, or if its version of the package is not `driver_version`.
        """
        if driver_version != __version__:
            raise UserError(
                f"the node has evalharness {__version__}, but the driver has {driver_version}; install the same "
                "version on every node"
            )
        options = self.config.sandbox_options()
        workers = self.config.workers or self.cpus
        self.pool = open_sandbox(
            self.config.sandbox, workers, options, self.messages.append, needed=self.sandbox_needed
        )
        self.threads = ThreadPoolExecutor(self.pool.threads, "grader")
        return self.pool.workers

    def image_id(self, image_name: str) -> str | None:
        """Returns the id of a sandbox image; None if this node does not have it."""
        return image_transfer.image_id(self.pool.engine, image_name)

    def pack_image(self, image_name: str) -> bytes:
        """Returns a sandbox image as bytes, for `unpack_image` on another node."""
        return image_transfer.pack_image(self.pool.engine, image_name)

    def unpack_image(self, packed_image: bytes) -> None:
        """Loads a sandbox image from the bytes that `pack_image` on another node returned."""
        image_transfer.unpack_image(self.pool.engine, packed_image)

    def prepare_and_describe(self, image_names: list[str]) -> Mapping[str, Any]:
        """Builds the sandbox images that are missing, starts containers, and returns the sandbox pool's description."""
        self.pool.prepare(image_names)
        return self.pool.describe()

    def grade_completions(self, task_reference: list[Any], completions: Sequence[Completion]) -> list[Verdict]:
        """Grades completions of a task on this node and returns their verdicts, in order.

        `task_reference`: a list with the Ray reference of (task, problems by task_id) as its only item.
        """
        task, problems = self._cache.get_object(task_reference)

        def grade_one(completion: Completion) -> Verdict:
            return grade_completion(task, problems[completion.task_id], completion, self.pool)

        return list(self.threads.map(grade_one, completions))

    def close(self) -> None:
        """Ends the containers of this node."""
        self.pool.close()
        self.threads.shutdown(cancel_futures=True)


class GenerationWorker:
    """Generates completions with a replica of a backend on a Ray node."""

    def __init__(self, config: RunConfig):
        self.backend = make_backend(config)
        self._cache = ObjectCache()

    def wait_until_loaded(self) -> None:
        """Does nothing: a remote call of it returns when Ray has loaded this replica's backend."""

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError for a kind of prompt that the backend does not support."""
        check_prompt_is_supported(self.backend, prompt)

    def why_chat_is_expected(self) -> str:
        """Returns the reason why the backend's model expects chat messages; "" if it does not or this is unknown."""
        return self.backend.why_chat_is_expected() if isinstance(self.backend, KnowsChat) else ""

    def describe(self) -> Mapping[str, Any]:
        """Returns the backend's description for the manifest."""
        return self.backend.describe()

    def generate(
        self, problems_reference: list[Any], sample_keys: Sequence[Key], sampling: Sampling
    ) -> Iterator[Completion]:
        """Yields the completions of a chunk of requests, each as soon as it is ready.

        `problems_reference`: a list with the Ray reference of the problems by task_id as its only item.
        """
        problems: Mapping[str, Problem] = self._cache.get_object(problems_reference)
        requests = [Request(problems[task_id], sample_id) for task_id, sample_id in sample_keys]
        yield from self.backend.generate(requests, sampling)
