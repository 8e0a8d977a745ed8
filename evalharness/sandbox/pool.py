"""The sandbox: as many warm containers as workers, shared by all images under one memory budget."""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from evalharness.errors import InfrastructureError, UserError
from evalharness.records import CallsProgram, Execution, Outcome, Program, Reference
from evalharness.sandbox.agent.wire import pack_job
from evalharness.sandbox.engines.container import Container, Engine
from evalharness.sandbox.engines.guarantees import missing_guarantees
from evalharness.sandbox.jobs import reference_job, sample_job, secret_of
from evalharness.sandbox.languages import FailsOn
from evalharness.sandbox.references import ReferenceCache
from evalharness.sandbox.shared_lock import Turns
from evalharness.sandbox.timing import may_owe_its_timeout_to_others, near_limit
from evalharness.sandbox.worker_slots import Places

TRIES = 3
JOBS_PER_CONTAINER = 1000
WAIT_S = 7200.0
"""How long a silent container is believed in. The judge inside has its own, far shorter, limits."""
SAMPLE_SEED, REFERENCE_SEED = 0, 1
"""PYTHONHASHSEED. Fixed, so that verdicts repeat; apart, as the official expected outputs come from another process
than the sample's: an output whose order is that of a set of strings is not taken for right by luck."""
SHARE_OF_MEMORY = 0.9
SPOILT = ("tampered", "memory")
"""After these a container is thrown away, though its agent finds nothing left behind."""
HARMLESS = {
    "runner": "command",
    "file": "program",
    "text": b"",
    "canaries": [],
    "token": b"",
    "memory_mb": 1024,
    "fails_on": FailsOn().model_dump(),
}
"""The job of a program that does nothing, less its step; any image can run it."""
HARMLESS_FACTOR, HARMLESS_EXTRA_S, HARMLESS_MOST_S = 2.0, 1.0, 60.0
"""How long it does nothing, in terms of the time after which the other program's container ended."""
ENDS_ITS_CONTAINER = Outcome("error", "ends each container that it runs in, where a program that does nothing does not")

Kind = tuple[str, int]
"""What a container is for: image name and hash seed."""


def machine_memory_mb() -> int:
    """What this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


class ContainerLost(InfrastructureError):
    """A container ended while a program ran in it, after so many seconds."""

    def __init__(self, reason: str, seconds: float):
        super().__init__(reason)
        self.seconds = seconds


class ContainerPool:
    """Runs programs in containers. `run` may be called from `threads` threads at once, and waits beyond that.

    At most `workers` containers compute, fewer where their limits together would exceed `budget_mb`; beside these as
    many again, where the budget allows, may be busy with programs that only wait, or idle, so that several images, and
    the reference solutions, need not start a container each time.
    """

    def __init__(
        self,
        engine: Engine,
        workers: int,
        memory_mb: int = 4096,
        cpus: float = 1.0,
        budget_mb: int | None = None,
        allow: frozenset[str] = frozenset(),
    ):
        self.engine, self.memory_mb, self.cpus, self.allow = engine, memory_mb, cpus, allow
        budget = budget_mb or int(machine_memory_mb() * SHARE_OF_MEMORY)
        self.workers = min(workers, budget // memory_mb)
        if self.workers < 1:
            raise UserError(f"a memory budget of {budget} MB is less than the {memory_mb} MB of one sample")
        self.references = ReferenceCache()
        self._places = Places(self.workers, spare=min(self.workers, budget // memory_mb - self.workers))
        self.threads = self._places.most
        self._turns = Turns()
        self._idle: list[tuple[Kind, Container]] = []
        self._all: set[Container] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._images: dict[str, Mapping[str, Any]] = {}
        self._keys: WeakKeyDictionary[Reference, str] = WeakKeyDictionary()

    def prepare(self, names: list[str]) -> None:
        """Makes the images ready, each with a container. Raises UserError where the engine lacks a guarantee."""
        for name in names:
            identity = self.engine.prepare(name)
            kind = (name, SAMPLE_SEED)
            container = self._borrow(kind)
            missing = missing_guarantees(container.hello) - self.allow
            if missing:
                raise UserError(
                    f"the sandbox engine {self.engine.name} does not guarantee here: {', '.join(sorted(missing))}; "
                    f"see `evalharness sandbox check`, or accept it with --option allow={','.join(sorted(missing))}"
                )
            self._images[name] = {**identity, "clock": container.hello["clock"], **container.hello["versions"]}
            self._give_back(kind, container)

    def describe(self) -> Mapping[str, Any]:
        """The engine, the limits, and each prepared image with its id and toolchain versions."""
        return {
            **self.engine.describe(),
            "memory_mb": self.memory_mb,
            "cpus": self.cpus,
            "allowed_to_lack": sorted(self.allow),
            "images": dict(self._images),
        }

    def expected_s(self, program: Program) -> float:
        """How long the program should take, for running the longest first; infinite where nobody knows yet."""
        if not isinstance(program, CallsProgram):
            return program.limits.time_s
        known = self.references.seconds(self._key(program, program.reference))
        return float("inf") if known is None else known

    def run(self, program: Program) -> Execution:
        """Runs the program, elsewhere again where the machine fails; after that the execution says why it failed.

        One that timed out while it had to wait for a core is run again while no other is.
        """
        try:
            job = sample_job(program)
            with self._turns.shared():
                execution = self._execute(program, job)
            if not may_owe_its_timeout_to_others(execution):
                return near_limit(program, execution)
            with self._turns.alone():
                again = self._execute(program, job)
        except ContainerLost as error:
            if self._harmless_runs(program.image, error.seconds):
                return Execution({"program": ENDS_ITS_CONTAINER})
            return Execution(infrastructure=str(error))
        except InfrastructureError as error:
            return Execution(infrastructure=str(error))
        statuses = [[part.status for part in one.parts.values()] for one in (execution, again)]
        changed = "timed out while others ran, not when it ran alone" if statuses[0] != statuses[1] else ""
        return Execution(again.parts, borderline=changed or near_limit(program, again).borderline)

    def _harmless_runs(self, image: str, seconds: float) -> bool:
        """Whether a container of this image lives on for longer than so many seconds with a program that does nothing.

        If so, a program with which all of them ended has ended them itself, and shall not escape its verdict by that.
        """
        asleep_s = min(HARMLESS_FACTOR * seconds + HARMLESS_EXTRA_S, HARMLESS_MOST_S)
        step = {"name": "run", "command": ["sleep", str(asleep_s)], "time_s": 2 * HARMLESS_MOST_S}
        try:
            reply, _ = self._ask((image, SAMPLE_SEED), {**HARMLESS, "steps": [step]}, {}, tries=1)
        except InfrastructureError:
            return False
        return all(part["status"] == "passed" for part in reply["parts"].values())

    def _execute(self, program: Program, job: dict[str, Any]) -> Execution:
        secret = secret_of(program, self._expected(program))
        reply, _ = self._ask((program.image, SAMPLE_SEED), job, secret)
        return Execution(parts={name: Outcome(**part) for name, part in reply["parts"].items()})

    def _expected(self, program: Program) -> bytes:
        if not isinstance(program, CallsProgram):
            return b""
        reference = program.reference
        return self.references.get(self._key(program, reference), lambda: self._make(program.image, reference))

    def _make(self, image: str, reference: Reference) -> tuple[float, bytes]:
        job = reference_job(reference, self.memory_mb)
        reply, data = self._ask((image, REFERENCE_SEED), job, {"expected": b""})
        for name, part in reply["parts"].items():
            if part["status"] != "passed":
                raise InfrastructureError(
                    f"the reference solution itself ended with {part['status']} on its {name} inputs: {part['detail']}"
                )
        return sum(part["cpu_s"] for part in reply["parts"].values()), data

    def _key(self, program: CallsProgram, reference: Reference) -> str:
        if reference not in self._keys:
            interpreter = f"{self._images[program.image]['image']} {REFERENCE_SEED}"
            self._keys[reference] = self.references.key(interpreter, reference)
        return self._keys[reference]

    def _ask(
        self, kind: Kind, job: dict[str, Any], secret: dict[str, Any], tries: int = TRIES
    ) -> tuple[dict[str, Any], bytes]:
        messages = pack_job(job) + pack_job(secret)
        with self._places.held() as place:
            for attempt in range(tries):
                try:
                    container = self._borrow(kind)
                    place.meter = container.channel.cpu_s
                    started = time.monotonic()
                    try:
                        answer = container.request(messages, WAIT_S)
                    except InfrastructureError as error:
                        self._discard(container)
                        raise ContainerLost(str(error), time.monotonic() - started) from None
                    except BaseException:
                        self._discard(container)
                        raise
                except InfrastructureError:
                    if attempt == tries - 1:
                        raise
                else:
                    if answer[0]["clean"] and not any(part["status"] in SPOILT for part in answer[0]["parts"].values()):
                        self._give_back(kind, container)
                    else:
                        self._discard(container)
                    return answer
        raise AssertionError("unreachable")

    def _borrow(self, kind: Kind) -> Container:
        with self._lock:
            if self._closed:
                raise InfrastructureError("the sandbox is closed")
            for index in reversed(range(len(self._idle))):
                if self._idle[index][0] == kind:
                    return self._idle.pop(index)[1]
            spare = self._idle.pop(0)[1] if len(self._all) >= 2 * self.workers and self._idle else None
        if spare:
            self._discard(spare)
        container = self.engine.start(kind[0], self.memory_mb, self.cpus, kind[1])
        with self._lock:
            closed = self._closed
            if not closed:
                self._all.add(container)
        if closed:
            container.close()
            raise InfrastructureError("the sandbox is closed")
        return container

    def _give_back(self, kind: Kind, container: Container) -> None:
        if container.jobs >= JOBS_PER_CONTAINER:
            self._discard(container)
            return
        with self._lock:
            self._idle.append((kind, container))

    def _discard(self, container: Container) -> None:
        with self._lock:
            self._all.discard(container)
        container.close()

    def close(self) -> None:
        """Ends every container. Safe to call twice."""
        with self._lock:
            self._closed = True
            self._places.close()
            containers, self._all = self._all, set()
            self._idle.clear()
        for container in containers:
            container.close()
