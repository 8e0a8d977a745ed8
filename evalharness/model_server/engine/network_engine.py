"""An engine for the harness's networks with continuous batching."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from evalharness.diffusion.serving.batch import ContinuousBatch
from evalharness.diffusion.serving.decoder import Decoder
from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.engine.admission import AdmissionControl
from evalharness.model_server.engine.decoders import DecoderFactory
from evalharness.model_server.engine.generation import JobUpdateStream
from evalharness.model_server.engine.job import GenerationJob
from evalharness.model_server.engine.protocol import EngineLoad
from evalharness.model_server.engine.workers import JobUpdates, ScheduledJob, WorkerPool


class NetworkEngine:
    """Generates with a network of `evalharness.diffusion` by continuous batching.

    Completions of a new request join the running batch between two forward passes.
    """

    def __init__(
        self, factory: DecoderFactory, decoding_methods: Sequence[str], concurrency: int, queue: int, workers: int = 1
    ) -> None:
        """`workers`: number of threads, each of which runs the forward passes of one batch; 1 with a drafter."""
        network = factory.network
        self.name: str = Path(network.name).name.removesuffix(".gguf")
        self.decoding_methods, self.can_infill = tuple(decoding_methods), factory.can_infill
        self.context_length: int | None = network.model.config.max_length
        self.detokenizer: Detokenizer | None = network.detokenizer
        self._factory = factory
        self._admission = AdmissionControl(concurrency, queue)
        taps = factory.drafter.config.taps if factory.drafter else ()
        self._encoders = ThreadPoolExecutor(2, "encoder")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers = WorkerPool(
            lambda: ContinuousBatch(network.model, taps), workers, concurrency, self._deliver_in_event_loop
        )

    def current_load(self) -> EngineLoad:
        """Returns the numbers of running and waiting completions."""
        return self._admission.current_load(self._workers.running_count)

    async def submit(self, jobs: Sequence[GenerationJob], arrival_time: float) -> JobUpdateStream:
        """Queues the jobs of a request; returns an asynchronous iterator over their updates (see `Engine.submit`)."""
        self._loop = asyncio.get_running_loop()
        self._admission.admit(len(jobs))
        try:
            decoders = await self._loop.run_in_executor(self._encoders, self._make_decoders, jobs)
        except BaseException:
            self._admission.release(len(jobs), None)
            raise
        generation = JobUpdateStream(
            len(jobs), lambda: self._workers.cancel_jobs(scheduled_jobs), self._make_job_end_callback(arrival_time)
        )
        scheduled_jobs = [
            ScheduledJob(
                decoder,
                arrival_time,
                generation.make_update_receiver(number),
                every_pass=job.traced,
                streamed=job.streamed,
            )
            for number, (decoder, job) in enumerate(zip(decoders, jobs, strict=True))
        ]
        self._workers.add_jobs(scheduled_jobs)
        return generation

    def close(self) -> None:
        """Stops the engine's threads without finishing running completions. Safe to call twice."""
        self._workers.close()
        self._encoders.shutdown()

    def _make_decoders(self, jobs: Sequence[GenerationJob]) -> list[Decoder]:
        return [self._factory.make_decoder(job) for job in jobs]

    def _make_job_end_callback(self, arrival_time: float) -> Callable[[], None]:
        return lambda: self._admission.release(1, time.perf_counter() - arrival_time)

    def _deliver_in_event_loop(self, updates: JobUpdates) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the event loop has ended, and with it the clients
            self._loop.call_soon_threadsafe(_deliver_updates, updates)


def _deliver_updates(updates: JobUpdates) -> None:
    for job, update in updates:
        job.deliver(update)
