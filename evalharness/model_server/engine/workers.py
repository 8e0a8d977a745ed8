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

from evalharness.diffusion.serving.batch import Batch
from evalharness.diffusion.serving.decoder import Decoder
from evalharness.model_server.engine.job import Outcome, Update
from evalharness.util.text import error_text

REPORT_S = 0.02
"""The least seconds between two reports of a streamed completion. After each report the event loop runs and the
engine's thread waits, which a request with a report for each forward pass shows in `benchmarks/model_server.py`.
"""
REPORTS_PER_S = 200
"""The most reports per second of all streamed completions together."""


def report_interval_s(running: int) -> float:
    """Returns the seconds between two reports of a streamed completion while that many completions are generated."""
    return max(REPORT_S, running / REPORTS_PER_S)


@dataclass(eq=False)
class Entry:
    """A job in the engine, with its timings and the callback for its updates."""

    decoder: Decoder
    arrived: float
    deliver: Callable[[Update], None]
    """Called in the event loop."""
    worker: Worker | None = None
    """The thread that runs it; None while it waits."""
    joined_s: float = 0.0
    first_s: float | None = None
    sent: int = 0
    """Output tokens that were reported to the client."""
    every_pass: bool = False
    """Whether each forward pass is reported, for frames and probabilities."""
    streamed: bool = True
    """Whether progress is reported at all; otherwise only the end is."""
    reported_s: float = -math.inf
    """When the latest report was made, in seconds since the request arrived."""


Updates = Sequence[tuple[Entry, Update]]


class Workers:
    """Threads with a batch each, and the completions that wait for a place in one of them. Thread-safe."""

    def __init__(
        self, open_batch: Callable[[], Batch], count: int, concurrency: int, report: Callable[[Updates], None]
    ) -> None:
        """At most `concurrency` completions run at a time. The threads call `report` after each forward pass."""
        self.wake = threading.Condition()
        """Protects what the threads share."""
        self.closed = False
        self._concurrency = concurrency
        self._waiting: deque[Entry] = deque()
        self._workers = [Worker(self, open_batch, report, number) for number in range(count)]
        for worker in self._workers:
            worker.thread.start()

    @property
    def running(self) -> int:
        """The number of completions in the batches."""
        return sum(worker.rows for worker in self._workers)

    def add(self, entries: Sequence[Entry]) -> None:
        """Queues completions, which join a batch as soon as there is room."""
        with self.wake:
            self._waiting.extend(entries)
            self.wake.notify_all()

    def remove(self, entries: Sequence[Entry]) -> None:
        """Removes completions from queue or batch before the next forward pass, unless they have ended."""
        with self.wake:
            for entry in entries:
                if entry.worker is not None:
                    entry.worker.left.append(entry)
                elif entry in self._waiting:
                    self._waiting.remove(entry)
            self.wake.notify_all()

    def may_take(self, worker: Worker) -> bool:
        """Returns whether a worker should take a waiting completion. The caller holds `wake`."""
        if not self._waiting or self.running >= self._concurrency:
            return False
        if not self._waiting[0].decoder.wide:
            return worker is self._workers[0]
        return worker is min(self._workers, key=lambda other: other.rows)

    def take(self, worker: Worker) -> Entry:
        """Assigns the next waiting completion to the worker and returns it. The caller holds `wake`."""
        entry = self._waiting.popleft()
        entry.worker = worker
        worker.rows += 1
        self.wake.notify_all()  # another worker may have to take the next one
        return entry

    def close(self) -> None:
        """Stops the threads; running completions are abandoned. Safe to call twice."""
        with self.wake:
            self.closed = True
            self.wake.notify_all()
        for worker in self._workers:
            worker.thread.join()


class Worker:
    """A thread that runs one batch of completions."""

    def __init__(
        self, shared: Workers, open_batch: Callable[[], Batch], report: Callable[[Updates], None], number: int
    ) -> None:
        self.rows = 0
        """Rows that it has taken and that have not ended, as far as the others know."""
        self.left: list[Entry] = []
        """Its rows whose client has gone."""
        self._shared, self._open_batch, self._report = shared, open_batch, report
        self._entries: dict[Decoder, Entry] = {}
        self.thread = threading.Thread(target=self._run, name=f"engine-{number}", daemon=True)

    def _run(self) -> None:
        torch.get_num_threads()  # gives this thread PyTorch's number of threads; oneDNN would use all cores without it
        batch = self._open_batch()
        while self._admit(batch):
            try:
                updates = [pair for decoder in batch.step() for pair in self._updates(decoder)]
            except Exception as error:  # a failed pass must not end the server; the rows' clients are told
                traceback.print_exc()
                updates = [(entry, Update(error=error_text(error))) for entry in self._entries.values()]
                self._entries.clear()
                batch.close()
                batch = self._open_batch()
            if updates:
                self._report(updates)
        batch.close()

    def _admit(self, batch: Batch) -> bool:
        """Adds waiting completions to the batch, removes cancelled ones; waits if there are none. False once closed."""
        shared = self._shared
        with shared.wake:
            if self.rows != batch.size:
                self.rows = batch.size
                shared.wake.notify_all()  # another worker may now take a row
            while not (shared.closed or self.left or batch.size or shared.may_take(self)):
                shared.wake.wait()
            left, self.left = self.left, []
            joining = []
            while not shared.closed and shared.may_take(self):
                joining.append(shared.take(self))
        for entry in joining:
            entry.joined_s = time.perf_counter() - entry.arrived
            self._entries[entry.decoder] = entry
            batch.join(entry.decoder, entry.arrived)
        for entry in left:
            batch.leave(entry.decoder)
            self._entries.pop(entry.decoder, None)
        return not shared.closed

    def _updates(self, decoder: Decoder) -> list[tuple[Entry, Update]]:
        """Returns what the latest forward pass changed in a completion, if there is something to report."""
        entry, row = self._entries[decoder], decoder.row
        frames, decoder.frames = tuple(decoder.frames), []
        tokens = tuple(row.output[entry.sent :])
        pass_s = time.perf_counter() - entry.arrived
        if tokens and entry.first_s is None:
            entry.first_s = pass_s
        if not (row.ended or frames or (tokens and self._is_due(entry, pass_s))):
            return []
        confidences = tuple(row.confidences[entry.sent : entry.sent + len(tokens)])
        entry.sent += len(tokens)
        entry.reported_s = pass_s
        outcome = None
        if row.ended:
            del self._entries[decoder]
            outcome = _outcome_of_entry(entry)
        return [(entry, Update(tokens, confidences, frames, pass_s, outcome))]

    def _is_due(self, entry: Entry, now_s: float) -> bool:
        """Returns whether the new tokens of a completion are reported after this forward pass."""
        waited_s = now_s - entry.reported_s
        return entry.every_pass or (entry.streamed and waited_s >= report_interval_s(self._shared.running))


def _outcome_of_entry(entry: Entry) -> Outcome:
    row = entry.decoder.row
    text, tokens = row.watch.result()
    return Outcome(
        text=text,
        prompt_tokens=len(row.prompt) + len(row.suffix),
        output_tokens=tokens,
        finish_reason=row.watch.reason,
        total_s=time.perf_counter() - entry.arrived,
        queued_s=entry.joined_s,
        prefill_s=row.prefill_s,
        first_s=entry.first_s,
        forward_passes=row.forward_passes,
        accepted_drafts=sum(draft.accepted for draft in row.drafts or ()),
        rejected_drafts=sum(len(draft.tokens) - draft.accepted for draft in row.drafts or ()),
    )
