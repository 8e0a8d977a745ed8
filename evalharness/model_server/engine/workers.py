"""Threads that each run a batch of one network.

Completions that compute a few tokens per pass share the first batch, because a pass over 8 tokens costs little more
than one over a single token. Those that compute a whole block are spread over all batches.
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from evalharness.diffusion.serving.batch import ContinuousBatch
from evalharness.diffusion.serving.decoder import Decoder
from evalharness.model_server.engine.job import JobOutcome, JobUpdate
from evalharness.util.text import error_text

REPORT_S = 0.02
"""Minimum number of seconds between two reports of a streamed completion. After each report the event loop
runs while the engine's thread waits, so that more reports slow down decoding (see `benchmarks/model_server.py`).
"""
REPORTS_PER_S = 200
"""Maximum number of reports per second of all streamed completions together."""


def min_progress_report_interval_s(running_count: int) -> float:
    """Returns the minimum seconds between two progress reports of a streamed completion.

    `running_count` is the number of completions that are generated concurrently.
    """
    return max(REPORT_S, running_count / REPORTS_PER_S)


@dataclass(eq=False)
class ScheduledJob:
    """A waiting or running job of the engine, with its timings and the callback for its updates."""

    decoder: Decoder
    arrival_time: float
    deliver: Callable[[JobUpdate], None]
    """Receives the job's updates; called in the event loop."""
    worker: Worker | None = None
    """The thread that runs it; None while it waits."""
    joined_s: float = 0.0
    first_s: float | None = None
    sent: int = 0
    """Output tokens that were reported to the client."""
    every_pass: bool = False
    """Whether each forward pass is reported, for denoising frames and probabilities."""
    streamed: bool = True
    """Whether progress is reported; if not, only the end is reported."""
    reported_s: float = -math.inf
    """When the latest report was made, in seconds since the request arrived."""


JobUpdates = Sequence[tuple[ScheduledJob, JobUpdate]]


class WorkerPool:
    """The worker threads of an engine, each with its own batch, and the queue of waiting jobs. Thread-safe."""

    def __init__(
        self,
        make_batch: Callable[[], ContinuousBatch],
        count: int,
        concurrency: int,
        report: Callable[[JobUpdates], None],
    ) -> None:
        """At most `concurrency` completions run at a time. The threads call `report` after each forward pass."""
        self.wake = threading.Condition()
        """The lock and condition that protects the state that the threads share."""
        self.closed = False
        self._concurrency = concurrency
        self._waiting: deque[ScheduledJob] = deque()
        self._workers = [Worker(self, make_batch, report, number) for number in range(count)]
        for worker in self._workers:
            worker.thread.start()

    @property
    def running_count(self) -> int:
        """The number of completions in all batches together."""
        return sum(worker.rows for worker in self._workers)

    def add_jobs(self, jobs: Sequence[ScheduledJob]) -> None:
        """Queues jobs, which join a batch as soon as fewer than `concurrency` completions run."""
        with self.wake:
            self._waiting.extend(jobs)
            self.wake.notify_all()

    def cancel_jobs(self, jobs: Sequence[ScheduledJob]) -> None:
        """Cancels jobs: removes them from the queue, or from their batch before its next forward pass."""
        with self.wake:
            for job in jobs:
                if job.worker is not None:
                    job.worker.cancelled.append(job)
                elif job in self._waiting:
                    self._waiting.remove(job)
            self.wake.notify_all()

    def should_take_job(self, worker: Worker) -> bool:
        """Returns whether this worker is the one to take the next waiting job. The caller must hold the lock `wake`."""
        if not self._waiting or self.running_count >= self._concurrency:
            return False
        if not self._waiting[0].decoder.wide:
            return worker is self._workers[0]
        return worker is min(self._workers, key=lambda other: other.rows)

    def take_waiting_job(self, worker: Worker) -> ScheduledJob:
        """Assigns the next waiting job to a worker; returns the job. The caller must hold the lock `wake`."""
        entry = self._waiting.popleft()
        entry.worker = worker
        worker.rows += 1
        self.wake.notify_all()  # another worker may have to take the next one
        return entry

    def close(self) -> None:
        """Stops the threads without finishing running completions. Safe to call twice."""
        with self.wake:
            self.closed = True
            self.wake.notify_all()
        for worker in self._workers:
            worker.thread.join()


class Worker:
    """A thread that runs one batch of completions."""

    def __init__(
        self,
        pool: WorkerPool,
        make_batch: Callable[[], ContinuousBatch],
        report: Callable[[JobUpdates], None],
        number: int,
    ) -> None:
        self.rows = 0
        """Number of jobs in its batch; the other threads read it, so it is changed only with `wake` held."""
        self.cancelled: list[ScheduledJob] = []
        """Its jobs that were cancelled and are still in the batch."""
        self._pool, self._make_batch, self._report = pool, make_batch, report
        self._entries: dict[Decoder, ScheduledJob] = {}
        self.thread = threading.Thread(target=self._run_batches, name=f"engine-{number}", daemon=True)

    def _run_batches(self) -> None:
        """Runs forward passes of this worker's batch and reports the updates until the pool is closed."""
        torch.get_num_threads()  # gives this thread PyTorch's number of threads; oneDNN would use all cores without it
        batch = self._make_batch()
        while self._refill_batch_unless_closed(batch):
            try:
                updates = [pair for decoder in batch.step() for pair in self._collect_updates(decoder)]
            except Exception as error:  # a failed pass must not end the server; the rows' clients are told
                traceback.print_exc()
                updates = [(entry, JobUpdate(error=error_text(error))) for entry in self._entries.values()]
                self._entries.clear()
                batch.close()
                batch = self._make_batch()
            if updates:
                self._report(updates)
        batch.close()

    def _refill_batch_unless_closed(self, batch: ContinuousBatch) -> bool:
        """Adds waiting jobs to the batch and removes cancelled jobs; blocks while the batch is empty and no job waits.

        Returns False if the pool was closed, else True.
        """
        pool = self._pool
        with pool.wake:
            if self.rows != batch.size:
                self.rows = batch.size
                pool.wake.notify_all()  # another worker may now take a row
            while not (pool.closed or self.cancelled or batch.size or pool.should_take_job(self)):
                pool.wake.wait()
            cancelled, self.cancelled = self.cancelled, []
            joining = []
            while not pool.closed and pool.should_take_job(self):
                joining.append(pool.take_waiting_job(self))
        for entry in joining:
            entry.joined_s = time.perf_counter() - entry.arrival_time
            self._entries[entry.decoder] = entry
            batch.add(entry.decoder, entry.arrival_time)
        for entry in cancelled:
            batch.remove(entry.decoder)
            self._entries.pop(entry.decoder, None)
        return not pool.closed

    def _collect_updates(self, decoder: Decoder) -> list[tuple[ScheduledJob, JobUpdate]]:
        """Returns [(job, update)] with the changes of a completion since its latest report; [] if no report is due."""
        entry, row = self._entries[decoder], decoder.row
        frames, decoder.frames = tuple(decoder.frames), []
        tokens = tuple(row.output[entry.sent :])
        pass_s = time.perf_counter() - entry.arrival_time
        if tokens and entry.first_s is None:
            entry.first_s = pass_s
        if not (row.ended or frames or (tokens and self._is_progress_report_due(entry, pass_s))):
            return []
        confidences = tuple(row.confidences[entry.sent : entry.sent + len(tokens)])
        entry.sent += len(tokens)
        entry.reported_s = pass_s
        outcome = None
        if row.ended:
            del self._entries[decoder]
            outcome = _make_outcome(entry)
        return [(entry, JobUpdate(tokens, confidences, frames, pass_s, outcome))]

    def _is_progress_report_due(self, job: ScheduledJob, elapsed_s: float) -> bool:
        """Returns whether to report a completion's new tokens now, `elapsed_s` seconds after its request arrived."""
        waited_s = elapsed_s - job.reported_s
        return job.every_pass or (job.streamed and waited_s >= min_progress_report_interval_s(self._pool.running_count))


def _make_outcome(job: ScheduledJob) -> JobOutcome:
    """Returns text, token counts and timings of a completion whose decoder has ended."""
    row = job.decoder.row
    text, tokens = row.stop_checker.kept_text_and_token_count()
    return JobOutcome(
        text=text,
        prompt_tokens=len(row.prompt) + len(row.suffix),
        output_tokens=tokens,
        finish_reason=row.stop_checker.reason,
        total_s=time.perf_counter() - job.arrival_time,
        queued_s=job.joined_s,
        prefill_s=row.prefill_s,
        first_s=job.first_s,
        forward_passes=row.forward_passes,
        accepted_drafts=sum(draft.accepted for draft in row.drafts or ()),
        rejected_drafts=sum(len(draft.tokens) - draft.accepted for draft in row.drafts or ()),
    )
