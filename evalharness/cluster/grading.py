"""Judges completions on the nodes: threads, two per node, pull chunks from one bounded queue.

A chunk whose node is lost goes back into the queue; the store takes a verdict once, so nothing is lost or doubled.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from evalharness.cluster.nodes import ClusterSandboxes, Node
from evalharness.errors import InfrastructureError
from evalharness.pipeline.executors import Log, OnVerdict
from evalharness.pipeline.grading import WAITING
from evalharness.records import Completion, Key, Problem, Task, Verdict

CHUNKS_AT_ONCE = 2
"""Chunks under way on a node: one more than is being judged, so that its workers never wait for the driver."""
CHUNK_S = 0.5
"""Seconds that a chunk should take; a short one costs the driver more, of a long one more is lost with its node."""
MOST_PER_WORKER = 32
LOSSES = 3
"""So often a sample is given to another node; after that its failure stands."""
LOOK_S = 2.0
"""Seconds between looks for new nodes."""
NO_NODE_S = 120.0
"""How long a run without any node waits for one."""


class ClusterGrader:
    """As `grading.Grader`, with `sandboxes` in place of this machine's. After `finish` or `close`, `join`."""

    def __init__(
        self,
        task: Task,
        problems: Mapping[str, Problem],
        sandboxes: ClusterSandboxes,
        finished: OnVerdict,
        log: Log,
        most_waiting: int = WAITING,
    ):
        import ray

        self.sandboxes, self.finished, self.log = sandboxes, finished, log
        self._task = ray.put((task, dict(problems)))
        self._queue: queue.Queue[Completion] = queue.Queue(most_waiting)
        self._again: deque[Completion] = deque()
        self._losses: dict[Key, int] = {}
        self._gone: list[Node] = []
        self._open = 0
        self._seconds = 1.0
        self._lock = threading.Lock()
        self._done, self._stop = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []
        for node in list(sandboxes.nodes.values()):
            self._serve(node)
        self._watch = threading.Thread(target=self._guarded, args=(self._look,), daemon=True)
        self._watch.start()

    def put(self, completion: Completion) -> None:
        """Queues a completion; waits while too many are queued. Raises what a thread raised."""
        while True:
            if self._error:
                raise self._error
            try:
                with self._lock:
                    self._queue.put_nowait(completion)
                    self._open += 1
                return
            except queue.Full:
                time.sleep(0.02)

    def finish(self) -> None:
        """Waits until everything queued is judged. Raises what a thread raised."""
        self._done.set()
        while self._open and not self._error:
            time.sleep(0.05)
        self._stop.set()
        if self._error:
            raise self._error

    def close(self) -> None:
        """Stops; what is queued, or being judged now, stays without a verdict."""
        self._stop.set()

    def join(self) -> None:
        """Waits for the threads to end, after `finish` or `close`; not for one that is starting a node."""
        for thread in self._threads:
            thread.join()
        self._watch.join(1.0)

    def _serve(self, node: Node) -> None:
        for _ in range(CHUNKS_AT_ONCE):
            thread = threading.Thread(target=self._guarded, args=(self._pull, node), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _guarded(self, work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self._error = self._error or error
            self._stop.set()

    def _look(self) -> None:
        """Takes in new nodes; gives up where there has been none for too long."""
        had_one = time.monotonic()
        while not self._stop.wait(LOOK_S):
            for node in self.sandboxes.refresh():
                self.log(f"node {node.address} ({node.id[:8]}) grades too")
                self._serve(node)
            if self.sandboxes.nodes:
                had_one = time.monotonic()
            elif time.monotonic() - had_one > NO_NODE_S:
                raise InfrastructureError("no node that can grade is left in the cluster")

    def _pull(self, node: Node) -> None:
        """Has one chunk after the other judged on a node, until it is lost or all is done."""
        import ray

        while not self._stop.is_set():
            chunk = self._take(node)
            if not chunk:
                continue
            try:
                begin = time.monotonic()
                verdicts = self._wait(node.actor.judge.remote([self._task], chunk))
            except ray.exceptions.RayTaskError:
                raise
            except ray.exceptions.RayError as error:
                self._lost(node, chunk, type(error).__name__)
                return
            if verdicts is not None:
                self._learn((time.monotonic() - begin) * node.workers / len(chunk))
                self._judged(chunk, verdicts)

    def _wait(self, reference: Any) -> Any:
        """What a call returns; None if the grader was stopped before that."""
        import ray

        while not self._stop.is_set():
            try:
                return ray.get(reference, timeout=0.5)
            except ray.exceptions.GetTimeoutError:
                continue
        return None

    def _take(self, node: Node) -> list[Completion]:
        """The next chunk: so many as take about `CHUNK_S`, fewer where little is left for all nodes."""
        waiting = self._queue.qsize() + len(self._again)
        fair = -(-waiting // max(1, CHUNKS_AT_ONCE * len(self.sandboxes.nodes)))
        per_worker = max(1, min(MOST_PER_WORKER, int(CHUNK_S / self._seconds)))
        most = max(1, min(node.workers * per_worker, max(fair, node.workers)))
        chunk: list[Completion] = []
        while len(chunk) < most:
            try:
                chunk.append(self._again.popleft() if self._again else self._queue.get(timeout=0 if chunk else 0.2))
            except (queue.Empty, IndexError):
                break
        return chunk

    def _learn(self, seconds: float) -> None:
        self._seconds += 0.2 * (max(seconds, 1e-4) - self._seconds)

    def _judged(self, chunk: list[Completion], verdicts: list[Verdict]) -> None:
        """Hands the verdicts on; a sample that the machine failed on is tried again."""
        for completion, verdict in zip(chunk, verdicts, strict=True):
            if self._stop.is_set():
                return
            failed = verdict.status == "infrastructure" and not completion.error
            if failed and self._may_try_again(completion):
                self._again.append(completion)
            else:
                self.finished(verdict)
                with self._lock:
                    self._open -= 1

    def _lost(self, node: Node, chunk: list[Completion], why: str) -> None:
        with self._lock:
            noticed = node in self._gone
            self._gone.append(node)
        if not noticed:
            self.log(f"node {node.address} ({node.id[:8]}) is lost ({why}); others judge what it was judging")
        for completion in chunk:
            if self._may_try_again(completion):
                self._again.append(completion)
                continue
            detail = f"each of {LOSSES + 1} nodes that judged it was lost ({why})"
            self.finished(Verdict(*completion.key, passed=False, status="infrastructure", detail=detail))
            with self._lock:
                self._open -= 1
        self.sandboxes.drop(node)  # at the end: it waits while a node is being started

    def _may_try_again(self, completion: Completion) -> bool:
        with self._lock:
            self._losses[completion.key] = self._losses.get(completion.key, 0) + 1
            return self._losses[completion.key] <= LOSSES
