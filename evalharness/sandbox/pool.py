"""The Docker sandbox: as many long-lived containers as workers, each running one job at a time."""

import threading
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from evalharness.errors import InfrastructureError
from evalharness.records import Execution, Outcome, Program, Reference
from evalharness.sandbox import images
from evalharness.sandbox.agent.wire import dumps, pack_job
from evalharness.sandbox.engine import Container, connect, remove_orphans
from evalharness.sandbox.references import ReferenceCache

TRIES = 3
JOBS_PER_CONTAINER = 1000
WAIT_S = 7200.0
"""How long a silent container is believed in. The judge inside has its own, far shorter, limits."""
NOTHING = dumps([])
SAMPLE_SEED, REFERENCE_SEED = 0, 1
"""PYTHONHASHSEED. Fixed, so that verdicts repeat; apart, as the official expected outputs come from another process
than the sample's: an output whose order is that of a set of strings is not taken for right by luck."""

Kind = tuple[str, int]
"""What a container is for: image name and hash seed."""


class DockerSandbox:
    """Runs programs in containers. `run` may be called from `workers` threads at once, and waits beyond that."""

    def __init__(self, workers: int, memory_mb: int = 4096, cpus: float = 1.0):
        self.client = connect()
        self.memory_mb, self.cpus = memory_mb, cpus
        self.references = ReferenceCache()
        self._slots = threading.Semaphore(workers)
        self._idle: dict[Kind, list[Container]] = {}
        self._all: set[Container] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._tags: dict[str, str] = {}
        self._versions: dict[str, Mapping[str, Any]] = {}
        self._keys: WeakKeyDictionary[Reference, str] = WeakKeyDictionary()

    def prepare(self, names: list[str]) -> None:
        """Checks that the images are built and starts one container of each. Raises UserError otherwise."""
        remove_orphans(self.client)
        for name in names:
            image = images.image_id(self.client, name)
            self._tags[name] = images.image_tag(name)
            container = self._borrow((name, SAMPLE_SEED))
            self._versions[name] = {"image": self._tags[name], "id": image, **container.hello}
            self._give_back((name, SAMPLE_SEED), container)

    def describe(self) -> Mapping[str, Any]:
        """The engine's version, limits, and each prepared image with its id and toolchain versions."""
        version = self.client.version()
        return {
            "engine": f"docker {version.get('Version', '')}",
            "memory_mb": self.memory_mb,
            "cpus": self.cpus,
            "images": dict(self._versions),
        }

    def expected_s(self, program: Program) -> float:
        """How long the program should take, for running the longest first; infinite where nobody knows yet."""
        if program.reference is None:
            return program.limits.time_s
        known = self.references.seconds(self._key(program, program.reference))
        return float("inf") if known is None else known

    def run(self, program: Program) -> Execution:
        """Runs the program, elsewhere again where the machine fails; after that the execution says why it failed."""
        try:
            secret = self._secret(program)
            reply, _ = self._ask((program.image, SAMPLE_SEED), sample_job(program), secret)
        except InfrastructureError as error:
            return Execution(infrastructure=str(error))
        return Execution(parts={name: Outcome(**part) for name, part in reply["parts"].items()})

    def _secret(self, program: Program) -> dict[str, Any]:
        reference = program.reference
        if reference is None:
            return {"expected": b"", "source": ""}
        key = self._key(program, reference)
        data = self.references.get(key, lambda: self._make(program.image, reference))
        return {"expected": data, "source": reference.source}

    def _make(self, image: str, reference: Reference) -> tuple[float, bytes]:
        job = reference_job(reference, self.memory_mb)
        reply, data = self._ask((image, REFERENCE_SEED), job, {"expected": b"", "source": ""})
        for name, part in reply["parts"].items():
            if part["status"] != "passed":
                raise InfrastructureError(
                    f"the reference solution itself ended with {part['status']} on its {name} inputs: {part['detail']}"
                )
        return sum(part["cpu_s"] for part in reply["parts"].values()), data

    def _key(self, program: Program, reference: Reference) -> str:
        if reference not in self._keys:
            self._keys[reference] = self.references.key(f"{self._tags[program.image]} {REFERENCE_SEED}", reference)
        return self._keys[reference]

    def _ask(self, kind: Kind, job: dict[str, Any], secret: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        messages = pack_job(job) + pack_job(secret)
        with self._slots:
            for attempt in range(TRIES):
                container = self._borrow(kind)
                try:
                    answer = container.request(messages, WAIT_S)
                except InfrastructureError:
                    self._discard(container)
                    if attempt == TRIES - 1:
                        raise
                else:
                    if answer[0]["clean"]:
                        self._give_back(kind, container)
                    else:
                        self._discard(container)
                    return answer
        raise AssertionError("unreachable")

    def _borrow(self, kind: Kind) -> Container:
        with self._lock:
            idle = self._idle.setdefault(kind, [])
            if idle:
                return idle.pop()
            if self._closed:
                raise InfrastructureError("the sandbox is closed")
        container = Container(self.client, self._tags[kind[0]], self.memory_mb, self.cpus, kind[1])
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
            self._idle.setdefault(kind, []).append(container)

    def _discard(self, container: Container) -> None:
        with self._lock:
            self._all.discard(container)
        container.close()

    def close(self) -> None:
        """Ends every container. Safe to call twice."""
        with self._lock:
            self._closed = True
            containers, self._all = self._all, set()
            self._idle.clear()
        for container in containers:
            container.close()


def sample_job(program: Program) -> dict[str, Any]:
    """The job as the agent takes it, without anything that the sample must not see."""
    reference = program.reference
    return {
        "runner": program.runner,
        "source": program.source,
        "entry_point": reference.entry_point if reference else "",
        "inputs": dict(reference.groups) if reference else {"checks": NOTHING},
        "rules": dict(program.rules),
        "time_s": program.limits.time_s,
        "memory_mb": program.limits.memory_mb,
    }


def reference_job(reference: Reference, memory_mb: int) -> dict[str, Any]:
    """The job that makes the expected outputs."""
    return {
        "runner": "reference",
        "source": reference.source,
        "entry_point": reference.entry_point,
        "inputs": dict(reference.groups),
        "rules": {"oracle": ""},
        "output_not_none": reference.output_not_none,
        "memory_mb": memory_mb,
    }
