"""An engine for any backend of the harness: waiting requests with equal sampling parameters form a batch.

One batch runs at a time. The text of a completion is sent as a whole at its end, and there are no denoising frames
(what each pass changed).
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evalharness.errors import UserError
from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.engine.admission import AdmissionControl
from evalharness.model_server.engine.generation import JobUpdateStream
from evalharness.model_server.engine.job import GenerationJob, JobOutcome, JobUpdate
from evalharness.model_server.engine.protocol import EngineLoad
from evalharness.records import Backend, Completion, Problem, Prompt, Request, Sampling, find_prompt_check
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.text import error_text


@dataclass(eq=False)
class _QueuedJob:
    """A waiting or running job, the time of its arrival (`time.perf_counter()`), and the callback for its updates."""

    job: GenerationJob
    arrival_time: float
    deliver: Callable[[JobUpdate], None]

    @property
    def sampling(self) -> Sampling:
        """The sampling parameters, which all completions of a batch share."""
        seed = self.job.seed if self.job.temperature else 0
        return Sampling(self.job.temperature, self.job.top_p, self.job.max_new_tokens, seed)


class BackendEngine:
    """An engine that generates with any backend of the harness, one batch at a time, without streaming."""

    context_length: int | None = None
    detokenizer: Detokenizer | None = None

    def __init__(self, decoding_method: str, model: str, backend: Backend, concurrency: int, queue: int) -> None:
        """Loads the backend's model. Raises UserError if that fails."""
        self.name, self.decoding_methods = Path(model).name, (decoding_method,)
        self._backend, self._concurrency = backend, concurrency
        backend.describe()
        self.can_infill = self._supports_infilling()
        self._admission = AdmissionControl(concurrency, queue)
        self._waiting: deque[_QueuedJob] = deque()
        self._running = 0
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run_batches, name="engine", daemon=True)
        self._thread.start()

    def current_load(self) -> EngineLoad:
        """Returns the numbers of running and waiting completions."""
        return self._admission.current_load(self._running)

    async def submit(self, jobs: Sequence[GenerationJob], arrival_time: float) -> JobUpdateStream:
        """Queues the jobs of a request; returns an asynchronous iterator over their updates (see `Engine.submit`)."""
        for job in jobs:
            self._check_job(job)
        self._admission.admit(len(jobs))
        generation = JobUpdateStream(
            len(jobs),
            lambda: self._cancel_waiting_jobs(queued_jobs),
            lambda: self._admission.release(1, time.perf_counter() - arrival_time),
        )
        queued_jobs = [
            _QueuedJob(job, arrival_time, generation.make_update_receiver(number)) for number, job in enumerate(jobs)
        ]
        with self._wake:
            self._loop = asyncio.get_running_loop()
            self._waiting.extend(queued_jobs)
            self._wake.notify()
        return generation

    def close(self) -> None:
        """Stops the engine's thread after the current batch and closes the backend. Safe to call twice."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self._backend.close()

    def _supports_infilling(self) -> bool:
        check = find_prompt_check(self._backend)
        if check is None:
            return False
        try:
            check(Prompt("", suffix=""))
        except UserError:
            return False
        return True

    def _check_job(self, job: GenerationJob) -> None:
        """Raises RequestRefused for a job that uses features which the backend does not support."""
        if job.options:
            name = min(job.options)
            raise RequestRefused(
                400,
                f"parameter {name} cannot be set per request: backend {self.decoding_methods[0]} accepts decoding "
                "options only when the server starts; leave it out",
                parameter=name,
            )
        if job.traced:
            raise RequestRefused(
                400, f"backend {self.decoding_methods[0]} reports neither denoising frames nor probabilities; leave "
                "out the parameters logprobs, diffusing and denoising_frames", parameter="denoising_frames",
            )  # fmt: skip
        if job.prompt.suffix is not None and not self.can_infill:
            raise RequestRefused(
                400, f"model {self.name} cannot infill; leave out the parameter suffix", parameter="suffix"
            )

    def _cancel_waiting_jobs(self, queued_jobs: Sequence[_QueuedJob]) -> None:
        with self._wake:
            for queued_job in queued_jobs:
                if queued_job in self._waiting:
                    self._waiting.remove(queued_job)

    def _run_batches(self) -> None:
        """Runs one batch after another until the engine is closed (the body of its thread)."""
        while batch := self._next_batch():
            requests = [Request(Problem("", entry.job.prompt, {}, None), number) for number, entry in enumerate(batch)]
            try:
                for completion in self._backend.generate(requests, batch[0].sampling):
                    self._deliver_update(
                        batch[completion.sample_id], _make_update(completion, batch[completion.sample_id])
                    )
            except (UserError, RuntimeError) as error:
                for entry in batch:
                    self._deliver_update(entry, JobUpdate(error=error_text(error)))
            self._running = 0

    def _next_batch(self) -> list[_QueuedJob]:
        """Waits for jobs and returns those that can share a batch; an empty list if the engine was closed."""
        with self._wake:
            while not (self._closed or self._waiting):
                self._wake.wait()
            if self._closed:
                return []
            sampling = self._waiting[0].sampling
            # A backend's random numbers depend on the number of a row in its batch, so that sampled rows run alone.
            size = 1 if sampling.temperature else self._concurrency
            batch = [entry for entry in self._waiting if entry.sampling == sampling][:size]
            for entry in batch:
                self._waiting.remove(entry)
            self._running = len(batch)
            return batch

    def _deliver_update(self, queued_job: _QueuedJob, update: JobUpdate) -> None:
        with suppress(RuntimeError):  # the event loop has ended, and with it the clients
            self._loop.call_soon_threadsafe(queued_job.deliver, update)


def _make_update(completion: Completion, queued_job: _QueuedJob) -> JobUpdate:
    """Returns the only update of a job: its finished completion, or the backend's error message."""
    if completion.error:
        return JobUpdate(error=completion.error)
    now_s = time.perf_counter() - queued_job.arrival_time
    outcome = JobOutcome(
        text=completion.text,
        prompt_tokens=completion.prompt_tokens or 0,
        output_tokens=completion.output_tokens or 0,
        finish_reason=completion.finish_reason,
        total_s=now_s,
        queued_s=max(0.0, now_s - (completion.total_s or now_s)),
        first_s=now_s,
        forward_passes=completion.forwards,
        accepted_drafts=completion.accepted_drafts,
        rejected_drafts=completion.rejected_drafts,
    )
    return JobUpdate(pass_s=now_s, outcome=outcome)
