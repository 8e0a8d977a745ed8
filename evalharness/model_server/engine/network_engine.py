"""An engine for the harness's networks with continuous batching, in one thread."""

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evalharness.diffusion.serving.batch import Batch
from evalharness.diffusion.serving.decoder import Decoder
from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.engine.admission import RowQueue
from evalharness.model_server.engine.decoders import DecoderFactory
from evalharness.model_server.engine.generation import QueuedGeneration
from evalharness.model_server.engine.job import Job, Outcome, Update
from evalharness.model_server.engine.protocol import EngineLoad
from evalharness.util.text import error_text


@dataclass(eq=False)
class _Entry:
    """A job in the engine, with its timings and the callback for its updates."""

    decoder: Decoder
    arrived: float
    deliver: Callable[[Update], None]
    """Called in the event loop."""
    joined_s: float = 0.0
    first_s: float | None = None
    sent: int = 0
    """Output tokens that were reported to the client."""


class NetworkEngine:
    """Generates with a network of `evalharness.diffusion` by continuous batching.

    A new completion joins the batch at the next forward pass after it arrives.
    """

    def __init__(self, factory: DecoderFactory, ways: Sequence[str], concurrency: int, queue: int) -> None:
        network = factory.network
        self.name: str = Path(network.name).name.removesuffix(".gguf")
        self.ways, self.infills = tuple(ways), factory.infills
        self.context: int | None = network.model.config.max_length
        self.detokenizer: Detokenizer | None = network.detokenizer
        self._factory, self._concurrency = factory, concurrency
        self._queue = RowQueue(concurrency, queue)
        self._waiting: deque[_Entry] = deque()
        self._left: list[_Entry] = []
        """Rows whose client has gone."""
        self._running: dict[Decoder, _Entry] = {}
        self._wake = threading.Condition()
        self._closed = False
        self._taps = factory.drafter.config.taps if factory.drafter else ()
        self._encoders = ThreadPoolExecutor(2, "encoder")
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def load(self) -> EngineLoad:
        """Returns how many completions run and wait."""
        return self._queue.load(len(self._running))

    async def start(self, jobs: Sequence[Job], arrived: float) -> QueuedGeneration:
        """Starts to generate the completions of a request; see `Engine.start`."""
        loop = asyncio.get_running_loop()
        self._queue.enter(len(jobs))
        try:
            decoders = await loop.run_in_executor(self._encoders, self._make, jobs)
        except BaseException:
            self._queue.leave(len(jobs), None)
            raise
        generation = QueuedGeneration(len(jobs), lambda: self._cancel(entries), self._on_end(arrived))
        entries = [_Entry(decoder, arrived, generation.receiver(number)) for number, decoder in enumerate(decoders)]
        with self._wake:
            self._loop = loop
            self._waiting.extend(entries)
            self._wake.notify()
        return generation

    def close(self) -> None:
        """Stops the engine's thread; running completions are abandoned. Safe to call twice."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self._encoders.shutdown()

    def _make(self, jobs: Sequence[Job]) -> list[Decoder]:
        return [self._factory.make(job) for job in jobs]

    def _on_end(self, arrived: float) -> Callable[[], None]:
        return lambda: self._queue.leave(1, time.perf_counter() - arrived)

    def _cancel(self, entries: Sequence[_Entry]) -> None:
        with self._wake:
            self._left += entries
            self._wake.notify()

    def _run(self) -> None:
        batch = Batch(self._factory.network.model, self._taps)
        while self._admit(batch):
            try:
                updates = [pair for decoder in batch.step() for pair in self._updates(decoder)]
            except Exception as error:  # a failed pass must not end the server; the rows' clients are told
                traceback.print_exc()
                updates = [(entry, Update(error=error_text(error))) for entry in self._running.values()]
                self._running.clear()
                batch.close()
                batch = Batch(self._factory.network.model, self._taps)
            if updates:
                with suppress(RuntimeError):  # the event loop has ended, and with it the clients
                    self._loop.call_soon_threadsafe(_deliver, updates)
        batch.close()

    def _admit(self, batch: Batch) -> bool:
        """Adds waiting jobs to the batch and removes cancelled ones; waits if there are none. False once closed."""
        with self._wake:
            while not (self._closed or self._left or self._waiting or batch.size):
                self._wake.wait()
            left, self._left = self._left, []
            for entry in left:
                if entry in self._waiting:
                    self._waiting.remove(entry)
            joining = [self._waiting.popleft() for _ in range(self._concurrency - batch.size) if self._waiting]
        for entry in left:
            batch.leave(entry.decoder)
            self._running.pop(entry.decoder, None)
        for entry in joining:
            entry.joined_s = time.perf_counter() - entry.arrived
            self._running[entry.decoder] = entry
            batch.join(entry.decoder, entry.arrived)
        return not self._closed

    def _updates(self, decoder: Decoder) -> list[tuple[_Entry, Update]]:
        """Returns what the latest forward pass changed in a completion, if there is something to report."""
        entry, row = self._running[decoder], decoder.row
        frames, decoder.frames = tuple(decoder.frames), []
        tokens = tuple(row.output[entry.sent :])
        if not (row.ended or tokens or frames):
            return []
        confidences = tuple(row.confidences[entry.sent : entry.sent + len(tokens)])
        entry.sent += len(tokens)
        pass_s = time.perf_counter() - entry.arrived
        if tokens and entry.first_s is None:
            entry.first_s = pass_s
        outcome = None
        if row.ended:
            del self._running[decoder]
            outcome = _outcome(entry)
        return [(entry, Update(tokens, confidences, frames, pass_s, outcome))]


def _deliver(updates: Sequence[tuple[_Entry, Update]]) -> None:
    for entry, update in updates:
        entry.deliver(update)


def _outcome(entry: _Entry) -> Outcome:
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
