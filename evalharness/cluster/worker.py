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
    """Keeps the last object that this process read from Ray's object store.

    The object contains a benchmark's problems, which may have hundreds of megabytes; without the cache, each remote
    call would read them again. Remote methods receive the object's reference inside a list, since Ray reads the
    objects of references that are direct arguments before each call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reference: Any = None
        self._value: Any = None

    def get_object(self, reference_in_list: list[Any]) -> Any:
        """Returns the object of a Ray reference, which is the only item of `reference_in_list`."""
        import ray

        with self._lock:
            if self._reference != reference_in_list[0]:
                self._value, self._reference = ray.get(reference_in_list[0]), reference_in_list[0]
            return self._value


class GradingWorker:
    """Grades chunks of completions in the sandboxes of a Ray node. Call `start_and_count_workers` first."""

    def __init__(self, config: RunConfig, cpus: int, sandbox_needed: bool):
        self.config, self.cpus, self.sandbox_needed = config, cpus, sandbox_needed
        self.messages: list[str] = []
        """Log lines of building images."""
        self._cache = ObjectCache()

    def start_and_count_workers(self, evalharness_version: str) -> int:
        """Opens the sandboxes of this node and returns how many samples they grade at the same time.

        `evalharness_version` is the version of the process that started the run. Raises UserError if this node has
        another version, or no container engine.
        """
        if evalharness_version != __version__:
            raise UserError(
                f"the node has evalharness {__version__}, but the run was started with {evalharness_version}; install "
                "the same version on every node"
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
        """Builds missing sandbox images, starts containers, and returns engine, image ids and toolchain versions."""
        self.pool.prepare(image_names)
        return self.pool.describe()

    def grade_completions(self, task_reference: list[Any], completions: Sequence[Completion]) -> list[Verdict]:
        """Grades completions of a task on this node and returns their verdicts, in order.

        `task_reference` is a list whose only item is the Ray reference of a tuple (task, problems by id).
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
        """Does nothing. A remote call of this method returns as soon as Ray has loaded the replica's backend."""

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError if the backend does not support the kind of `prompt`, such as infilling."""
        check_prompt_is_supported(self.backend, prompt)

    def why_chat_is_expected(self) -> str:
        """Returns why the backend's model expects chat messages; "" if it expects none, or if this is not known."""
        return self.backend.why_chat_is_expected() if isinstance(self.backend, KnowsChat) else ""

    def describe(self) -> Mapping[str, Any]:
        """Returns the backend's settings and model for the run's manifest."""
        return self.backend.describe()

    def generate(
        self, problems_reference: list[Any], sample_keys: Sequence[Key], sampling: Sampling
    ) -> Iterator[Completion]:
        """Yields the completions of the samples `sample_keys`, each as soon as it is ready.

        `problems_reference` is a list whose only item is the Ray reference of the problems by id.
        """
        problems: Mapping[str, Problem] = self._cache.get_object(problems_reference)
        requests = [Request(problems[task_id], sample_id) for task_id, sample_id in sample_keys]
        yield from self.backend.generate(requests, sampling)
