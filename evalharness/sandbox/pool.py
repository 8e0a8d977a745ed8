"""The sandbox's container pool: as many warm (running) containers as workers, for all images, in one memory budget."""

import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

from evalharness.errors import InfrastructureError, UserError
from evalharness.records import CallsProgram, Execution, Outcome, Program, ReferenceSolution
from evalharness.sandbox.agent.shared.messages import (
    CommandJob,
    FailureOutputMessage,
    HiddenTests,
    Job,
    JobIsolation,
    JobPartResult,
    NoHiddenTests,
    StepMessage,
)
from evalharness.sandbox.agent.shared.wire import pack_message
from evalharness.sandbox.engines.container import Container, Engine, JobReply
from evalharness.sandbox.engines.guarantees import missing_guarantees
from evalharness.sandbox.jobs import build_hidden_tests_message, build_job_message, build_reference_job_message
from evalharness.sandbox.load_sensitivity import mark_borderline, needs_quiet_rerun
from evalharness.sandbox.references import RecordedOutputs, ReferenceCache
from evalharness.sandbox.shared_lock import SharedLock
from evalharness.sandbox.tampering.harmless import can_only_compute
from evalharness.sandbox.time_bound import DEFAULT_FACTOR, TimeBound, TotalTimeExceeded, run_time_limit_s
from evalharness.sandbox.warm_containers import ContainerKind, WarmContainers
from evalharness.sandbox.worker_slots import WorkerSlots
from evalharness.util.limits.texts import MAX_TEXT_BYTES, is_too_large, too_large_message

MAX_ATTEMPTS = 3
"""Most containers to which a job is sent, if each one is lost."""
REFERENCE_TIMEOUT_S = 1800.0
"""Seconds after which the container of a trusted reference solution is considered lost."""
MAX_WAITING_RERUNS = 4
"""Most samples that wait for a quiet rerun (a second run without others) besides those that run; more delay new
samples.
"""
MAX_RERUN_WAIT_S = 60.0
"""Seconds after which a sample that waits for a quiet rerun (a second run without others) is preferred to new
samples.
"""
SAMPLE_SEED, REFERENCE_SEED = 0, 1
"""PYTHONHASHSEED of samples and of references. Fixed, so that verdicts repeat; different, because the official expected
outputs also come from another process: a sample that returns a set's items in arbitrary order must not pass by luck.
"""
MEMORY_SHARE = 0.9
"""The share of the machine's memory that is the default budget."""
SUSPICIOUS_STATUSES = ("tampered", "memory")
"""After these statuses of a sample its container is discarded, even if the agent finds no processes or files left
behind.
"""
SLEEP_FACTOR, SLEEP_EXTRA_S, MAX_SLEEP_S = 2.0, 1.0, 60.0
"""How long the program of `make_sleep_job` sleeps: a multiple of the time after which a sample's container ended, plus
seconds; `MAX_SLEEP_S` at most.
"""
ENDS_ITS_CONTAINER = Outcome(
    "error", "the program ended every container that it ran in; a container in which a program only slept survived"
)


def machine_memory_mb() -> int:
    """Returns the physical memory of this machine in MB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def make_sleep_job(sleep_s: float) -> CommandJob:
    """Returns the job of a program that only sleeps, to test whether a container stays alive without a sample."""
    step = StepMessage(name="run", command=["sleep", str(sleep_s)], time_s=2 * MAX_SLEEP_S, warm=False, shortcut=None)
    return CommandJob(
        kind="command",
        file="program",
        piped=False,
        opens={},
        steps=[step],
        fails_on=FailureOutputMessage(stderr_contains=[], output_contains=[], stderr_not_empty=False),
        program=b"",
        right_runs=1,
        canaries=[],
        token=b"",
        memory_mb=1024,
    )


class ContainerLost(InfrastructureError):
    """Raised when a container has ended unexpectedly, `seconds` after it received a job."""

    def __init__(self, reason: str, seconds: float):
        super().__init__(reason)
        self.seconds = seconds


class ContainerPool:
    """Runs programs in sandbox containers. Up to `threads` threads may call `run` at the same time; more calls wait.

    At most `workers` containers compute at a time, fewer if their memory limits together would exceed `budget_mb`. If
    the budget permits, the same number of further containers may be idle or run programs that only sleep, so that
    containers of several images stay warm. All runs of a sample together may take `total_time_factor` times the time
    limit of one run. With `own_containers`, each sample that may do more than compute (see `can_only_compute`) gets a
    new container.
    """

    def __init__(
        self,
        engine: Engine,
        workers: int,
        memory_mb: int = 4096,
        cpus: float = 1.0,
        budget_mb: int | None = None,
        allowed_to_lack: frozenset[str] = frozenset(),
        max_text_bytes: int = MAX_TEXT_BYTES,
        total_time_factor: float = DEFAULT_FACTOR,
        own_containers: bool = False,
    ):
        self.engine, self.memory_mb, self.cpus, self.allowed_to_lack = engine, memory_mb, cpus, allowed_to_lack
        self.max_text_bytes, self.total_time_factor = max_text_bytes, total_time_factor
        self.own_containers = own_containers
        budget = budget_mb or int(machine_memory_mb() * MEMORY_SHARE)
        self.workers = min(workers, budget // memory_mb)
        if self.workers < 1:
            raise UserError(
                f"a memory budget of {budget} MB is less than the {memory_mb} MB that one sample needs; "
                "raise it by --option memory_gb=GIB"
            )
        self.references = ReferenceCache()
        self._slots = WorkerSlots(self.workers, max_shared=min(self.workers, budget // memory_mb - self.workers))
        self.threads = self._slots.max_programs + MAX_WAITING_RERUNS
        self._run_lock = SharedLock()
        self._containers = WarmContainers(
            engine, memory_mb, cpus, max_containers=2 * self.workers, max_spares=self.workers
        )
        self._images: dict[str, Mapping[str, str]] = {}
        self._keys: WeakKeyDictionary[ReferenceSolution, str] = WeakKeyDictionary()

    def prepare(self, image_names: list[str]) -> None:
        """Builds the sandbox images `image_names` and starts containers of each.

        Raises UserError if the engine lacks a guarantee that is not in `allowed_to_lack`, such as `network-off`.
        """
        for name in image_names:
            identity = self.engine.prepare(name)
            kind = ContainerKind(name, SAMPLE_SEED)
            containers = self._start_containers(kind, 1 if self._images else min(2, self.workers))
            hello = containers[0].hello
            missing = missing_guarantees(hello) - self.allowed_to_lack
            if missing:
                raise UserError(
                    f"the sandbox engine {self.engine.name} does not provide {', '.join(sorted(missing))} on this "
                    "machine; run `evalharness sandbox check` for details, or accept that with "
                    f"--option allow={','.join(sorted(missing))}"
                )
            self.own_containers = self.own_containers or not hello["isolates"]
            self._images[name] = {**identity, "clock": hello["clock"], **hello["versions"]}
            for container in containers:
                self._containers.return_container(kind, container)

    def _start_containers(self, kind: ContainerKind, count: int) -> list[Container]:
        """Starts `count` containers of a kind in parallel, because each start uses only one core; returns them."""
        with ThreadPoolExecutor(count) as starters:
            return list(starters.map(self._containers.borrow, [kind] * count))

    def describe(self) -> Mapping[str, Any]:
        """Returns engine, limits, and each prepared image with id and tool versions, for a run's manifest."""
        return {
            **self.engine.describe(),
            "memory_mb": self.memory_mb,
            "cpus": self.cpus,
            "max_text_bytes": self.max_text_bytes,
            "allowed_to_lack": sorted(self.allowed_to_lack),
            "total_time": f"{self.total_time_factor:g} times the limit",
            "isolation": "containers" if self.own_containers else "namespaces",
            "images": dict(self._images),
        }

    def estimated_run_s(self, program: Program) -> float:
        """Returns a program's estimated run time in seconds, infinity if unknown; the longest programs run first."""
        if not isinstance(program, CallsProgram):
            return program.limits.time_s
        reference_s = self.references.cpu_seconds(self._reference_cache_key(program.image, program.reference))
        return float("inf") if reference_s is None else reference_s

    def run(self, program: Program) -> Execution:
        """Runs a program and returns what happened; runs it in another container if its container is lost.

        A program cannot make this method raise an exception.

        A program that may have timed out because of the machine's load gets a quiet rerun: it runs once more, alone.
        """
        if is_too_large(program.source, self.max_text_bytes):
            return Execution({"program": Outcome("too_large", f"the program {too_large_message(self.max_text_bytes)}")})
        bound = TimeBound(run_time_limit_s(program), self.total_time_factor)
        try:
            job = build_job_message(program)
            with self._run_lock.shared():
                execution = self._run_job(program, job, bound)
            if not needs_quiet_rerun(execution):
                return mark_borderline(program, execution)
            with self._run_lock.exclusive(MAX_RERUN_WAIT_S):
                rerun = self._run_job(program, job, bound)
        except TotalTimeExceeded:
            return Execution({"program": bound.timeout_outcome()})
        except ContainerLost as error:
            if self._container_survives_sleep(program.image, error.seconds):
                return Execution({"program": ENDS_ITS_CONTAINER})
            return Execution(infrastructure=str(error))
        except InfrastructureError as error:
            return Execution(infrastructure=str(error))
        changed = _statuses_of_parts(execution.parts.values()) != _statuses_of_parts(rerun.parts.values())
        borderline = "timed out while other samples ran, but not when it ran alone" if changed else ""
        return Execution(rerun.parts, borderline=borderline or mark_borderline(program, rerun).borderline)

    def _container_survives_sleep(self, image: str, min_sleep_s: float) -> bool:
        """Returns whether a container stays alive while a program sleeps in it for more than `min_sleep_s` seconds.

        If it does, and all containers of a sample ended within that time, the sample itself has ended them, and gets a
        verdict for that.
        """
        sleep_s = min(SLEEP_FACTOR * min_sleep_s + SLEEP_EXTRA_S, MAX_SLEEP_S)
        try:
            bound = TimeBound(2 * MAX_SLEEP_S)
            reply, _ = self._send_with_retries(
                ContainerKind(image, SAMPLE_SEED), make_sleep_job(sleep_s), NoHiddenTests(), bound, max_tries=1
            )
        except InfrastructureError:
            return False
        return all(part["status"] == "passed" for part in reply["parts"].values())

    def _run_job(self, program: Program, job: Job, bound: TimeBound) -> Execution:
        hidden_tests = build_hidden_tests_message(program, self._encoded_expected_outputs(program))
        kind = ContainerKind(program.image, SAMPLE_SEED)
        reply, _ = self._send_with_retries(kind, job, hidden_tests, bound, isolated=not can_only_compute(program))
        return Execution(parts={name: outcome_of_part(result) for name, result in reply["parts"].items()})

    def _encoded_expected_outputs(self, program: Program) -> bytes:
        if not isinstance(program, CallsProgram):
            return b""
        image, reference = program.image, program.reference
        return self.references.get_or_compute_outputs(
            self._reference_cache_key(image, reference), lambda: self._run_reference(image, reference)
        )

    def _run_reference(self, image: str, reference: ReferenceSolution) -> RecordedOutputs:
        job = build_reference_job_message(reference, self.memory_mb)
        bound = TimeBound(REFERENCE_TIMEOUT_S, factor=1.0)
        reply, outputs = self._send_with_retries(ContainerKind(image, REFERENCE_SEED), job, NoHiddenTests(), bound)
        for name, part in reply["parts"].items():
            if part["status"] != "passed":
                raise InfrastructureError(
                    f"the task's reference solution ended with {part['status']} on its {name} inputs: {part['detail']}"
                    "; run the command again, and report this to the task's author if it repeats"
                )
        return RecordedOutputs(sum(part["cpu_s"] for part in reply["parts"].values()), outputs)

    def _reference_cache_key(self, image: str, reference: ReferenceSolution) -> str:
        if reference not in self._keys:
            interpreter = f"{self._images[image]['image']} {REFERENCE_SEED}"
            self._keys[reference] = self.references.cache_key(interpreter, reference)
        return self._keys[reference]

    def _send_with_retries(
        self,
        kind: ContainerKind,
        job: Job,
        hidden_tests: HiddenTests,
        bound: TimeBound,
        max_tries: int = MAX_ATTEMPTS,
        isolated: bool = False,
    ) -> JobReply:
        """Sends a job to a container, or to another one if that is lost; returns the agent's reply.

        `hidden_tests` is the message with the parts of the job that the sample must not see.
        `isolated`: whether each process of the sample gets its own namespaces and, with `own_containers`, the sample a
        new container. Raises InfrastructureError after `max_tries` lost containers.
        """
        messages = pack_message(JobIsolation(isolated=isolated)) + pack_message(job) + pack_message(hidden_tests)
        has_own_container = isolated and self.own_containers
        with self._slots.occupy_slot() as slot:
            slot.limit_s = bound.limit_s
            for attempt in range(max_tries):
                try:
                    container = (self._containers.borrow_unused if has_own_container else self._containers.borrow)(kind)
                    slot.cpu_meter, slot.lower_priority = container.channel.cpu_s, container.channel.lower_priority
                    job_reply = self._send_job(container, messages, bound)
                except TotalTimeExceeded:
                    raise
                except InfrastructureError:
                    if attempt == max_tries - 1:
                        raise
                else:
                    reply = job_reply.reply
                    suspicious = any(part["status"] in SUSPICIOUS_STATUSES for part in reply["parts"].values())
                    if reply["clean"] and not suspicious and not has_own_container:
                        self._containers.return_container(kind, container)
                    else:
                        self._containers.discard(container)
                    return job_reply
        raise AssertionError("unreachable")

    def _send_job(self, container: Container, job_messages: bytes, bound: TimeBound) -> JobReply:
        """Sends a job to a container; returns the agent's reply. On an error, ends the container.

        Raises ContainerLost if the container ends, and TotalTimeExceeded after the time of `bound`.
        """
        started = time.monotonic()
        bound.start()
        try:
            return container.run_job(job_messages, bound)
        except TotalTimeExceeded:
            self._containers.discard(container)
            raise
        except InfrastructureError as error:
            self._containers.discard(container)
            raise ContainerLost(str(error), time.monotonic() - started) from None
        except BaseException:
            self._containers.discard(container)
            raise
        finally:
            bound.stop()

    def close(self) -> None:
        """Ends all containers of the pool. Safe to call twice."""
        self._slots.close()
        self._containers.close()


def outcome_of_part(result: JobPartResult) -> Outcome:
    """Converts the agent's result of one part of a program, such as its compilation, to an Outcome."""
    return Outcome(**result)  # type: ignore[arg-type]  # the agent's statuses are those of records


def _statuses_of_parts(parts: Iterable[Outcome]) -> list[str]:
    return [part.status for part in parts]
