"""Grades completions on many threads while others are still being generated; those with long tests go first."""

import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from evalharness.records import Completion, Execution, Problem, Sandbox, Task, Verdict
from evalharness.util.limits.calls import STOP_EVENT, LimitExceeded
from evalharness.util.limits.texts import is_too_large, too_large_message

MAX_QUEUED_COMPLETIONS = 4096
"""Most completions that wait for grading; generation pauses while there are as many."""
POLL_INTERVAL_S = 0.2
"""Seconds between checks whether grading was stopped."""


@dataclass(order=True)
class _GradingJob:
    priority: float
    """Minus the expected grading time in seconds; jobs with low values go first."""
    number: int
    completion: Completion | None = field(compare=False)
    """None ends the thread that takes the job."""


class Grader:
    """Grades completions on `threads` threads and passes each verdict to `on_verdict`, which must be thread-safe.

    `expected_seconds` estimates the seconds that grading a problem takes; completions of the slowest problems are
    graded first. Call `join` after `finish` or `close`.
    """

    def __init__(
        self,
        task: Task,
        problems: Mapping[str, Problem],
        sandbox: Sandbox,
        expected_seconds: Callable[[Problem], float],
        on_verdict: Callable[[Verdict], None],
        threads: int,
    ):
        self.task, self.problems, self.sandbox = task, problems, sandbox
        self.expected_seconds, self.on_verdict = expected_seconds, on_verdict
        self._seconds: dict[str, float] = {}
        self._queue: queue.PriorityQueue[_GradingJob] = queue.PriorityQueue(MAX_QUEUED_COMPLETIONS)
        self._number = itertools.count()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._grade_queued_jobs, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, completion: Completion) -> None:
        """Queues a completion; blocks while the queue is full. Raises the exception of a grading thread, if any."""
        task_id = completion.task_id
        if task_id not in self._seconds:
            self._seconds[task_id] = self.expected_seconds(self.problems[task_id])
        self._enqueue(_GradingJob(-self._seconds[task_id], next(self._number), completion))

    def _enqueue(self, job: _GradingJob) -> None:
        while True:
            if self._error:
                raise self._error
            try:
                return self._queue.put(job, timeout=POLL_INTERVAL_S)
            except queue.Full:
                continue

    def finish(self) -> None:
        """Waits until every queued completion has a verdict. Raises the exception of a grading thread, if any."""
        for _ in self._threads:
            self._enqueue(_GradingJob(float("inf"), next(self._number), None))
        for thread in self._threads:
            while thread.is_alive():
                thread.join(POLL_INTERVAL_S)
        if self._error:
            raise self._error

    def close(self) -> None:
        """Stops grading. Queued completions, and those being graded, get no verdict."""
        self._stop.set()

    def join(self) -> None:
        """Waits for the grading threads to end, after `finish` or `close`."""
        for thread in self._threads:
            thread.join()

    def _grade_queued_jobs(self) -> None:
        STOP_EVENT.set(self._stop)
        while not self._stop.is_set():
            try:
                job = self._queue.get(timeout=POLL_INTERVAL_S)
            except queue.Empty:
                continue
            if job.completion is None:
                return
            try:
                problem = self.problems[job.completion.task_id]
                verdict = grade_completion(self.task, problem, job.completion, self.sandbox)
                if not self._stop.is_set():
                    self.on_verdict(verdict)
            except BaseException as error:
                self._error = error
                self._stop.set()


def grade_completion(task: Task, problem: Problem, completion: Completion, sandbox: Sandbox) -> Verdict:
    """Runs the program of a completion in the sandbox and returns the verdict.

    The verdict's status is `infrastructure` if the backend failed to generate the completion, and `too_large` if the
    completion's text exceeds the sandbox's limit or takes too long to parse.
    """
    if completion.error:
        return Verdict(
            completion.task_id, completion.sample_id, passed=False, status="infrastructure", detail=completion.error
        )
    if is_too_large(completion.text, sandbox.max_text_bytes):
        return _too_large_verdict(completion, f"the answer {too_large_message(sandbox.max_text_bytes)}")
    try:
        program = task.program(problem, completion)
    except LimitExceeded as error:
        return _too_large_verdict(completion, f"the answer could not be read: {error}")
    verdict = task.verdict(completion, sandbox.run(program) if program else Execution())
    return replace(verdict, extraction=program.found_by) if program and program.found_by else verdict


def _too_large_verdict(completion: Completion, detail: str) -> Verdict:
    return Verdict(*completion.key, passed=False, status="too_large", detail=detail)
