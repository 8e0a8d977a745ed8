"""The running (warm) containers of a sandbox, of several images, which jobs borrow."""

import contextlib
import threading
from dataclasses import dataclass

from evalharness.errors import InfrastructureError
from evalharness.sandbox.engines.container import Container, Engine

JOBS_PER_CONTAINER = 1000
"""Jobs after which a container is replaced by a new one."""


@dataclass(frozen=True)
class ContainerKind:
    """The properties by which containers differ: sandbox image, and PYTHONHASHSEED of their Python processes."""

    image: str
    hash_seed: int


class WarmContainers:
    """The warm (started) containers of a sandbox, idle or busy.

    If there are `max_containers` or more, an idle container is ended before another one starts. In addition, up to
    `max_spares` unused containers wait for samples that must not share a container with earlier samples. Each container
    has `memory_mb` MB of memory for its sample and `cpus` cores. Thread-safe.
    """

    def __init__(self, engine: Engine, memory_mb: int, cpus: float, max_containers: int, max_spares: int):
        self.engine, self.memory_mb, self.cpus = engine, memory_mb, cpus
        self.max_containers, self.max_spares = max_containers, max_spares
        self._spares: list[tuple[ContainerKind, Container]] = []
        self.idle: list[tuple[ContainerKind, Container]] = []
        self.all: set[Container] = set()
        self._lock = threading.Lock()
        self._closed = False

    def borrow(self, kind: ContainerKind) -> Container:
        """Returns an idle container of this kind; starts a new container if there is none.

        May end an idle container of another kind before it starts the new one. Raises InfrastructureError if the new
        container does not start, and if the sandbox is closed.
        """
        with self._lock:
            if self._closed:
                raise InfrastructureError("the harness is shutting down, so its sandbox starts no more containers")
            for index in reversed(range(len(self.idle))):
                if self.idle[index][0] == kind:
                    return self.idle.pop(index)[1]
            replaced = self.idle.pop(0)[1] if len(self.all) >= self.max_containers and self.idle else None
        if replaced:
            self.discard(replaced)
        return self._start_container(kind)

    def _start_container(self, kind: ContainerKind) -> Container:
        container = self.engine.start(kind.image, self.memory_mb, self.cpus, kind.hash_seed)
        with self._lock:
            closed = self._closed
            if not closed:
                self.all.add(container)
        if closed:
            container.close()
            raise InfrastructureError("the harness is shutting down, so its sandbox starts no more containers")
        return container

    def borrow_unused(self, kind: ContainerKind) -> Container:
        """Returns a container of this kind that has run no job; the caller must `discard` it after use.

        Also starts another container in the background, for the next call. Raises InfrastructureError if no container
        starts.
        """
        with self._lock:
            spare = next((spare for spare in self._spares if spare[0] == kind), None)
            if spare:
                self._spares.remove(spare)
        threading.Thread(target=self._start_spare, args=(kind,), daemon=True).start()
        return spare[1] if spare else self._start_container(kind)

    def _start_spare(self, kind: ContainerKind) -> None:
        """Starts a container of this kind, which a later call of `borrow_unused` returns."""
        with contextlib.suppress(InfrastructureError):  # the next sample starts one itself, and reports why it fails
            container = self._start_container(kind)
            with self._lock:
                self._spares.append((kind, container))
                unneeded = self._spares.pop(0)[1] if len(self._spares) > self.max_spares else None
            if unneeded:
                self.discard(unneeded)

    def return_container(self, kind: ContainerKind, container: Container) -> None:
        """Makes a borrowed container idle again, or ends it if it has run its maximum number of jobs."""
        if container.jobs >= JOBS_PER_CONTAINER:
            self.discard(container)
            return
        with self._lock:
            self.idle.append((kind, container))

    def discard(self, container: Container) -> None:
        """Ends a borrowed container."""
        with self._lock:
            self.all.discard(container)
        container.close()

    def close(self) -> None:
        """Ends all containers. Safe to call twice."""
        with self._lock:
            self._closed = True
            containers, self.all = self.all, set()
            self.idle.clear()
            self._spares.clear()
        for container in containers:
            container.close()
