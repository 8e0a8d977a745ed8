"""The tasks that are open, and the threads that judge their samples by the code of `grade`."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from evalharness.adapters import open_task
from evalharness.backends.replay import check_sample, parse_sample
from evalharness.data.loading import resolve_source
from evalharness.errors import UserError
from evalharness.pipeline.grading import judge
from evalharness.records import Completion, Problem, Task, Verdict
from evalharness.sandbox.pool import ContainerPool

OPEN_TASKS = 16
"""Tasks kept open at a time: each holds its data in memory."""


@dataclass(frozen=True)
class OpenTask:
    """A task whose data are read and whose image is ready."""

    task: Task
    problems: Mapping[str, Problem]


class Judges:
    """Judges samples on as many threads as the sandbox takes."""

    def __init__(self, sandbox: ContainerPool, data: str | None):
        self.sandbox, self.source = sandbox, resolve_source(data)
        self._threads = ThreadPoolExecutor(sandbox.threads, "judge")
        self._open: OrderedDict[tuple[str, tuple[tuple[str, str], ...]], OpenTask] = OrderedDict()
        self._lock, self._opening = threading.Lock(), threading.Lock()

    def open(self, name: str, options: Mapping[str, str]) -> OpenTask:
        """The task, opened if it is not open yet. Raises UserError for what does not exist or cannot be had."""
        key = (name, tuple(sorted(options.items())))
        if found := self._find(key):
            return found
        with self._opening:
            if found := self._find(key):
                return found
            task, context = open_task(name, self.source, options)
            self.sandbox.prepare([context.image] if context.image else [])
            opened = OpenTask(task, {problem.task_id: problem for problem in task.problems()})
            with self._lock:
                self._open[key] = opened
                while len(self._open) > OPEN_TASKS:
                    self._open.popitem(last=False)
            return opened

    def _find(self, key: tuple[str, tuple[tuple[str, str], ...]]) -> OpenTask | None:
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
            return self._open.get(key)

    def completions(self, opened: OpenTask, rows: Sequence[Any]) -> list[Completion]:
        """The samples of a submission. Raises UserError, naming the first that is none of the task's."""
        counts: dict[str, int] = {}
        found = []
        for number, row in enumerate(rows):
            where = f"samples[{number}]"
            sample = parse_sample(where, number, row, counts)
            check_sample(where, sample, opened.problems)
            completion = sample.completion(opened.problems[sample.task_id])
            if completion.form == "program":  # refused at once where its tests are not in it
                opened.task.program(opened.problems[sample.task_id], completion)
            found.append(completion)
        if not found:
            raise UserError("samples is empty; submit at least one")
        return found

    def submit(self, opened: OpenTask, completion: Completion) -> "Future[Verdict]":
        """Queues a sample; cancelled while it waits, it is not run."""
        problem = opened.problems[completion.task_id]
        return self._threads.submit(judge, opened.task, problem, completion, self.sandbox)

    def close(self) -> None:
        """Ends every container; what is still being judged gets no verdict. Safe to call twice."""
        self.sandbox.close()
        self._threads.shutdown(cancel_futures=True)
