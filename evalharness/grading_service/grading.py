"""Loads tasks for the grading service, and grades their samples on threads with the code of `evalharness grade`."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from evalharness.adapters import open_task
from evalharness.backends.samples_file import check_sample_fits_task, parse_sample
from evalharness.data.sources import parse_data_source
from evalharness.errors import UserError
from evalharness.pipeline.grading import grade_completion
from evalharness.records import Completion, Problem, Task, Verdict
from evalharness.sandbox.pool import ContainerPool

LOADED_TASKS = 16
"""Most tasks that stay loaded, because each has its data in memory. The least recently used one is unloaded."""

TaskKey = tuple[str, tuple[tuple[str, str], ...]]
"""Name and sorted options of a loaded task."""


@dataclass(frozen=True)
class LoadedTask:
    """A task whose data are in memory and whose sandbox image is ready."""

    task: Task
    problems: Mapping[str, Problem]


class GradingPool:
    """The loaded tasks of the grading service, and the threads that grade samples."""

    def __init__(self, sandbox: ContainerPool, data_source: str | None):
        self.sandbox, self.source = sandbox, parse_data_source(data_source)
        self._threads = ThreadPoolExecutor(sandbox.threads, "grader")
        self._loaded: OrderedDict[TaskKey, LoadedTask] = OrderedDict()
        self._lock, self._loading = threading.Lock(), threading.Lock()

    def load_task(self, task_name: str, task_options: Mapping[str, str]) -> LoadedTask:
        """Returns the task `task_name` with its data. Loads the task on first use, and prepares its sandbox image.

        Raises UserError for an unknown task or option, and if its data or image are not available.
        """
        key = (task_name, tuple(sorted(task_options.items())))
        if loaded := self._find_loaded_task(key):
            return loaded
        with self._loading:
            if loaded := self._find_loaded_task(key):
                return loaded
            task, context = open_task(task_name, self.source, task_options)
            self.sandbox.prepare([context.image] if context.image else [])
            loaded = LoadedTask(task, {problem.task_id: problem for problem in task.problems()})
            with self._lock:
                self._loaded[key] = loaded
                while len(self._loaded) > LOADED_TASKS:
                    self._loaded.popitem(last=False)
            return loaded

    def _find_loaded_task(self, task_key: TaskKey) -> LoadedTask | None:
        with self._lock:
            if task_key in self._loaded:
                self._loaded.move_to_end(task_key)
            return self._loaded.get(task_key)

    def parse_samples(self, loaded_task: LoadedTask, sample_rows: Sequence[Any]) -> list[Completion]:
        """Converts the samples of a request to completions. Raises UserError, which names the first invalid sample."""
        counts: dict[str, int] = {}
        completions = []
        for number, row in enumerate(sample_rows):
            location = f"samples[{number}]"
            sample = parse_sample(location, number, row, counts)
            check_sample_fits_task(location, sample, loaded_task.problems)
            completion = sample.to_completion(loaded_task.problems[sample.task_id])
            if completion.form == "program":  # raises UserError if the problem's tests are not in the program
                loaded_task.task.program(loaded_task.problems[sample.task_id], completion)
            completions.append(completion)
        if not completions:
            raise UserError("the list `samples` in the request is empty; submit at least one sample")
        return completions

    def submit(self, loaded_task: LoadedTask, completion: Completion) -> "Future[Verdict]":
        """Queues a completion for grading; returns a future of its verdict, cancellable until grading begins."""
        problem = loaded_task.problems[completion.task_id]
        return self._threads.submit(grade_completion, loaded_task.task, problem, completion, self.sandbox)

    def close(self) -> None:
        """Ends all containers; samples that are still being graded get no verdict. Safe to call twice."""
        self.sandbox.close()
        self._threads.shutdown(cancel_futures=True)
