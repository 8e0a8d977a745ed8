"""Sandbox engine `command-line`: starts containers with the `docker` command, or with a command that has its options.

CONTAINER_COMMAND=podman evalharness run --task humaneval --backend reference --sandbox command-line
"""

import contextlib
import itertools
import os
import select
import subprocess
from collections.abc import Callable
from typing import Any

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.engines.container import Container
from evalharness.sandbox.engines.images import image_tag

CONFINEMENT = [
    *("--network", "none", "--read-only", "--ipc", "private", "--security-opt", "no-new-privileges"),
    # The agent makes namespaces for samples, whose own filter of system calls forbids that and much more.
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined", "--tmpfs", "/dev:ro,dev,nosuid,noexec,size=64k,mode=755"),
    *("--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID", "--cap-add", "KILL", "--pids-limit", "256"),
    *("--tmpfs", "/tmp:rw,exec,nosuid,nodev,size=256m,mode=1777", "--tmpfs", "/dev/shm:rw,size=256m,mode=1777"),
    *("--sysctl", "kernel.shmmni=0", "--sysctl", "kernel.msgmni=0", "--sysctl", "kernel.sem=0 0 0 0"),
    *("--sysctl", "fs.mqueue.queues_max=0"),
]
AGENT_MB = 1024
"""Memory of a container beyond a sample's limit, for the processes that judge it."""


class CommandLineEngine:
    name = "command-line"

    def __init__(self, log: Callable[[str], None] = print):
        self.command = os.environ.get("CONTAINER_COMMAND", "docker")
        self.names = (f"evalharness-{os.getpid()}-{number}" for number in itertools.count())

    def prepare(self, image: str) -> dict[str, str]:
        """Checks that the image is there, and returns what identifies it."""
        words = [self.command, "image", "inspect", "--format", "{{.Id}}", image_tag(image)]
        result = subprocess.run(words, capture_output=True, text=True)
        if result.returncode:
            raise UserError(f"{self.command} has no image {image_tag(image)}; run: evalharness sandbox build {image}")
        return {"image": image_tag(image), "id": result.stdout.strip()}

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        name, memory = next(self.names), f"{memory_mb + AGENT_MB}m"
        limits = ["--memory", memory, "--memory-swap", memory, "--cpus", str(cpus), "-e", f"PYTHONHASHSEED={hash_seed}"]
        words = [self.command, "run", "--rm", "--interactive", "--name", name, *CONFINEMENT, *limits, image_tag(image)]
        return Container(PipeChannel(words, [self.command, "rm", "--force", name]), name)

    def describe(self) -> dict[str, Any]:
        """The engine and its version, for the manifest."""
        version = subprocess.run([self.command, "--version"], capture_output=True, text=True).stdout.strip()
        return {"engine": version, "runtime": "default"}


class PipeChannel:
    """Standard input and output of the container's process. The messages themselves are `Container`'s business."""

    def __init__(self, start: list[str], remove: list[str]):
        self.remove = remove
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(start, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0)
        assert self.process.stdin
        assert self.process.stdout
        self.input, self.output = self.process.stdin.fileno(), self.process.stdout.fileno()

    def send(self, data: bytes, wait_s: float) -> None:
        view = memoryview(data)
        try:
            while view:
                if not select.select([], [self.input], [], wait_s)[1]:
                    raise InfrastructureError("the container does not read its input")
                view = view[os.write(self.input, view[: select.PIPE_BUF]) :]
        except (OSError, ValueError) as error:
            raise InfrastructureError(f"the container has ended: {error}") from None

    def receive(self, wait_s: float) -> bytes:
        """Returns the next bytes from the container, at least one."""
        if not select.select([self.output], [], [], wait_s)[0]:
            raise InfrastructureError("the container does not answer")
        data = os.read(self.output, 1 << 20)
        if not data:
            raise InfrastructureError("the container has ended")
        return data

    def cpu_s(self) -> float | None:
        return None  # not measured

    def lower_priority(self) -> None:
        pass  # not supported

    def close(self) -> None:
        subprocess.run(self.remove, capture_output=True)
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
