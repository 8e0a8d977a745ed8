"""The running containers of a sandbox, of several images, which jobs borrow."""

import threading
from dataclasses import dataclass

from evalharness.errors import InfrastructureError
from evalharness.sandbox.engines.container import Container, Engine

JOBS_PER_CONTAINER = 1000
"""Jobs after which a container is replaced."""


@dataclass(frozen=True)
class ContainerKind:
    """What a container is for."""

    image: str
    hash_seed: int


class WarmContainers:
    """Containers that are idle or busy. Above `most`, idle ones are ended before another is started.

    Each has `memory_mb` MB of memory for its sample and `cpus` cores. Safe to use from many threads.
    """

    def __init__(self, engine: Engine, memory_mb: int, cpus: float, most: int):
        self.engine, self.memory_mb, self.cpus, self.most = engine, memory_mb, cpus, most
        self.idle: list[tuple[ContainerKind, Container]] = []
        self.all: set[Container] = set()
        self._lock = threading.Lock()
        self._closed = False

    def borrow(self, kind: ContainerKind) -> Container:
        """Returns an idle container of this kind, or a new one. An idle one of another kind may be ended for it.

        Raises InfrastructureError if it does not start or the sandbox is closed.
        """
        with self._lock:
            if self._closed:
                raise InfrastructureError("the sandbox is closed")
            for index in reversed(range(len(self.idle))):
                if self.idle[index][0] == kind:
                    return self.idle.pop(index)[1]
            replaced = self.idle.pop(0)[1] if len(self.all) >= self.most and self.idle else None
        if replaced:
            self.discard(replaced)
        container = self.engine.start(kind.image, self.memory_mb, self.cpus, kind.hash_seed)
        with self._lock:
            closed = self._closed
            if not closed:
                self.all.add(container)
        if closed:
            container.close()
            raise InfrastructureError("the sandbox is closed")
        return container

    def give_back(self, kind: ContainerKind, container: Container) -> None:
        """Makes the container idle, or ends it after its last job."""
        if container.jobs >= JOBS_PER_CONTAINER:
            self.discard(container)
            return
        with self._lock:
            self.idle.append((kind, container))

    def discard(self, container: Container) -> None:
        """Ends the container."""
        with self._lock:
            self.all.discard(container)
        container.close()

    def close(self) -> None:
        """Ends every container. Safe to call twice."""
        with self._lock:
            self._closed = True
            containers, self.all = self.all, set()
            self.idle.clear()
        for container in containers:
            container.close()
