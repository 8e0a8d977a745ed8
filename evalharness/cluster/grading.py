"""Grades completions on the nodes of a Ray cluster: two threads per node pull chunks from one bounded queue.

A chunk whose node is lost goes back into the queue. The store accepts one verdict per sample, so that none is lost and
none is counted twice.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from evalharness.cluster.nodes import ClusterSandboxes, GradingNode
from evalharness.errors import InfrastructureError
from evalharness.pipeline.executors import Log, VerdictCallback
from evalharness.pipeline.grading import MAX_QUEUED_COMPLETIONS
from evalharness.records import Completion, Key, Problem, Task, Verdict

CHUNKS_PER_NODE = 2
"""Chunks of completions that a node has at a time; the second waits there, so that its workers are never idle."""
CHUNK_S = 0.5
"""Seconds that grading a chunk should take. Shorter chunks cost the driver more; longer ones are lost with a node."""
SAMPLES_PER_WORKER = 32
"""Most samples in a chunk, per worker of the node."""
RETRIES = 3
"""How often a sample is graded again after its node was lost or failed; then the failure is its verdict."""
REFRESH_S = 2.0
"""Seconds between searches for new nodes of the cluster."""
NO_NODE_S = 120.0
"""Seconds that a run waits while the cluster has no node that can grade."""


class ClusterGrader:
    """Grades completions on the nodes of a Ray cluster. Has the same methods as `pipeline.grading.Grader`.

    Call `join` after `finish` or `close`.
    """

    def __init__(
        self,
        task: Task,
        problems: Mapping[str, Problem],
        sandboxes: ClusterSandboxes,
        on_verdict: VerdictCallback,
        log: Log,
        queue_size: int = MAX_QUEUED_COMPLETIONS,
    ):
        import ray

        self.sandboxes, self.on_verdict, self.log = sandboxes, on_verdict, log
        self._task_reference = ray.put((task, dict(problems)))
        self._queue: queue.Queue[Completion] = queue.Queue(queue_size)
        self._retries: deque[Completion] = deque()
        self._failures: dict[Key, int] = {}
        self._lost_nodes: list[GradingNode] = []
        self._pending = 0
        """Completions that were queued and have no verdict yet."""
        self._sample_s = 1.0
        """Moving average of the seconds that a worker needs for a sample."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []
        for node in list(sandboxes.nodes.values()):
            self._start_grading_threads(node)
        self._watcher = threading.Thread(
            target=self._run_and_store_exception, args=(self._add_new_nodes_until_stopped,), daemon=True
        )
        self._watcher.start()

    def put(self, completion: Completion) -> None:
        """Queues a completion; waits while the queue is full. Raises the exception of a grading thread, if any."""
        while True:
            if self._error:
                raise self._error
            try:
                with self._lock:
                    self._queue.put_nowait(completion)
                    self._pending += 1
                return
            except queue.Full:
                time.sleep(0.02)

    def finish(self) -> None:
        """Waits until every queued completion has a verdict. Raises the exception of a grading thread, if any."""
        while self._pending and not self._error:
            time.sleep(0.05)
        self._stop.set()
        if self._error:
            raise self._error

    def close(self) -> None:
        """Stops grading; completions that are queued or being graded get no verdict."""
        self._stop.set()

    def join(self) -> None:
        """Waits until the grading threads have ended, and at most 1 s for the thread that adds new nodes."""
        for thread in self._threads:
            thread.join()
        self._watcher.join(1.0)

    def _start_grading_threads(self, node: GradingNode) -> None:
        for _ in range(CHUNKS_PER_NODE):
            thread = threading.Thread(
                target=self._run_and_store_exception, args=(self._send_chunks_to_node, node), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _run_and_store_exception(self, function: Callable[..., None], *arguments: Any) -> None:
        """Calls `function`. If it raises an exception, stores the exception and stops the grader."""
        try:
            function(*arguments)
        except BaseException as error:
            self._error = self._error or error
            self._stop.set()

    def _add_new_nodes_until_stopped(self) -> None:
        """Adds nodes that join the cluster, until the grader stops.

        Raises InfrastructureError after `NO_NODE_S` seconds without a node.
        """
        last_seen = time.monotonic()
        while not self._stop.wait(REFRESH_S):
            for node in self.sandboxes.refresh_nodes():
                self.log(f"node {node.label} has joined the cluster and grades samples")
                self._start_grading_threads(node)
            if self.sandboxes.nodes:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > NO_NODE_S:
                raise InfrastructureError(
                    f"for {NO_NODE_S:g} s, the Ray cluster has had no node that can grade; start a node, or fix what "
                    "the log reports about the nodes, then repeat the command, which resumes the run"
                )

    def _send_chunks_to_node(self, node: GradingNode) -> None:
        """Sends chunks of completions to a node, one at a time, until the node is lost or the grader stops."""
        import ray

        while not self._stop.is_set():
            chunk = self._take_chunk(node)
            if not chunk:
                continue
            try:
                begin = time.monotonic()
                verdicts = self._wait_for_verdicts(node.actor.grade_completions.remote([self._task_reference], chunk))
            except ray.exceptions.RayTaskError:
                raise
            except ray.exceptions.RayError as error:
                self._handle_lost_node(node, chunk, type(error).__name__)
                return
            if verdicts is not None:
                self._update_mean_grading_time((time.monotonic() - begin) * node.workers / len(chunk))
                self._handle_verdicts(chunk, verdicts)

    def _wait_for_verdicts(self, verdicts_reference: Any) -> list[Verdict] | None:
        """Waits for the verdicts of a Ray reference; returns them, or None if the grader stops first."""
        import ray

        while not self._stop.is_set():
            try:
                verdicts: list[Verdict] = ray.get(verdicts_reference, timeout=0.5)
                return verdicts
            except ray.exceptions.GetTimeoutError:
                continue
        return None

    def _take_chunk(self, node: GradingNode) -> list[Completion]:
        """Takes a chunk from the queue: about `CHUNK_S` seconds of work, at most the node's fair share of the queue."""
        waiting = self._queue.qsize() + len(self._retries)
        fair_share = -(-waiting // max(1, CHUNKS_PER_NODE * len(self.sandboxes.nodes)))
        per_worker = max(1, min(SAMPLES_PER_WORKER, int(CHUNK_S / self._sample_s)))
        size = max(1, min(node.workers * per_worker, max(fair_share, node.workers)))
        chunk: list[Completion] = []
        while len(chunk) < size:
            try:
                chunk.append(self._retries.popleft() if self._retries else self._queue.get(timeout=0 if chunk else 0.2))
            except (queue.Empty, IndexError):
                break
        return chunk

    def _update_mean_grading_time(self, seconds_per_sample: float) -> None:
        self._sample_s += 0.2 * (max(seconds_per_sample, 1e-4) - self._sample_s)

    def _handle_verdicts(self, chunk: list[Completion], verdicts: list[Verdict]) -> None:
        """Reports the verdicts of a chunk, and queues those completions again whose grading failed on the node."""
        for completion, verdict in zip(chunk, verdicts, strict=True):
            if self._stop.is_set():
                return
            failed = verdict.status == "infrastructure" and not completion.error
            if failed and self._count_failure_and_check_retry(completion):
                self._retries.append(completion)
            else:
                self._report_verdict(verdict)

    def _handle_lost_node(self, node: GradingNode, chunk: list[Completion], reason: str) -> None:
        """Queues the completions again that a lost node was grading, and removes the node."""
        with self._lock:
            logged = node in self._lost_nodes
            self._lost_nodes.append(node)
        if not logged:
            self.log(f"node {node.label} is lost ({reason}); other nodes grade its samples")
        for completion in chunk:
            if self._count_failure_and_check_retry(completion):
                self._retries.append(completion)
                continue
            detail = f"each of the {RETRIES + 1} nodes that graded this sample was lost ({reason})"
            self._report_verdict(Verdict(*completion.key, passed=False, status="infrastructure", detail=detail))
        self.sandboxes.remove_node(node)  # last, since it waits for a node that is being started

    def _report_verdict(self, verdict: Verdict) -> None:
        self.on_verdict(verdict)
        with self._lock:
            self._pending -= 1

    def _count_failure_and_check_retry(self, completion: Completion) -> bool:
        """Counts a failed attempt to grade a completion; returns whether to try again."""
        with self._lock:
            self._failures[completion.key] = self._failures.get(completion.key, 0) + 1
            return self._failures[completion.key] <= RETRIES
