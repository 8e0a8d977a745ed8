"""Grades completions while others are still being generated: a bounded queue, the longest first, many threads."""

import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from evalharness.records import Completion, Execution, Problem, Sandbox, Task, Verdict

WAITING = 4096
"""Completions that may wait for grading; beyond that generation waits."""


@dataclass(order=True)
class _Job:
    cost: float
    number: int
    completion: Completion | None = field(compare=False)


class Grader:
    """Judges completions on so many `threads` and hands each verdict to `finished`, which must be thread-safe.

    `cost(problem)` is how many seconds a problem should take; the costliest waiting one goes first.
    After `finish` or `close`, `join`.
    """

    def __init__(
        self,
        task: Task,
        problems: Mapping[str, Problem],
        sandbox: Sandbox,
        cost: Callable[[Problem], float],
        finished: Callable[[Verdict], None],
        threads: int,
    ):
        self.task, self.problems, self.sandbox = task, problems, sandbox
        self.cost, self.finished = cost, finished
        self._costs: dict[str, float] = {}
        self._queue: queue.PriorityQueue[_Job] = queue.PriorityQueue(WAITING)
        self._number = itertools.count()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, completion: Completion) -> None:
        """Queues a completion; waits while too many are queued. Raises what a grading thread raised."""
        task_id = completion.task_id
        if task_id not in self._costs:
            self._costs[task_id] = self.cost(self.problems[task_id])
        self._offer(_Job(-self._costs[task_id], next(self._number), completion))

    def _offer(self, job: _Job) -> None:
        while True:
            if self._error:
                raise self._error
            try:
                return self._queue.put(job, timeout=0.2)
            except queue.Full:
                continue

    def finish(self) -> None:
        """Waits until everything queued is judged. Raises what a grading thread raised."""
        for _ in self._threads:
            self._offer(_Job(float("inf"), next(self._number), None))
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.2)
        if self._error:
            raise self._error

    def close(self) -> None:
        """Stops; what is queued, or being judged now, stays without a verdict."""
        self._stop.set()

    def join(self) -> None:
        """Waits for the threads to end, after `finish` or `close`."""
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                job = self._queue.get(timeout=0.2)
            except queue.Empty:
                continue
            if job.completion is None:
                return
            try:
                problem = self.problems[job.completion.task_id]
                verdict = judge(self.task, problem, job.completion, self.sandbox)
                if not self._stop.is_set():
                    self.finished(verdict)
            except BaseException as error:
                self._error = error
                self._stop.set()


def judge(task: Task, problem: Problem, completion: Completion, sandbox: Sandbox) -> Verdict:
    """The verdict on a completion: by the task, of what its program did in the sandbox."""
    if completion.error:
        return Verdict(
            completion.task_id, completion.sample_id, passed=False, status="infrastructure", detail=completion.error
        )
    program = task.program(problem, completion)
    return task.verdict(completion, sandbox.run(program) if program else Execution())
