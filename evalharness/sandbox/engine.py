"""One hardened container with an agent inside, and the conversation with it."""

import contextlib
import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.agent.wire import HEADER

STREAM = struct.Struct("!BxxxI")
STDERR = 2
MEMORY_FOR_AGENT_MB = 1024
"""Above the sample's own limit: the judge, files in memory, and what the kernel counts beside."""
FILES_MB = 256
PIDS = 256
LABEL, OWNER = "evalharness", "evalharness.owner"


def connect() -> docker.DockerClient:
    """A client of the container engine. Raises UserError, one line that says how to get one, where none answers."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except (DockerException, RequestException) as error:
        where = os.environ.get("DOCKER_HOST", "the local Docker socket")
        raise UserError(
            f"no container engine answers at {where} ({_short(error)}); install and start one: "
            "apt-get install docker.io && (systemctl start docker || dockerd &), or set DOCKER_HOST"
        ) from None
    return client


def _short(error: Exception) -> str:
    text = str(error).replace("\n", " ")
    return (
        "permission denied" if "Permission denied" in text else "not running" if "No such file" in text else text[-80:]
    )


def hardening(memory_mb: int, cpus: float) -> dict[str, Any]:
    """The engine's settings that confine a container; README.md says what they guarantee."""
    memory = f"{memory_mb + MEMORY_FOR_AGENT_MB}m"
    tmpfs = f"rw,nosuid,nodev,size={FILES_MB}m,mode=1777"
    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["SETUID", "SETGID", "KILL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": PIDS,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(cpus * 1e9),
        "tmpfs": {"/tmp": tmpfs, "/dev/shm": tmpfs},
        "log_config": {"type": "none", "config": {}},
        "auto_remove": True,
        "ipc_mode": "private",
        # No shared memory, semaphores or message queues by which one sample could leave word for the next.
        "sysctls": {"kernel.shmmni": "0", "kernel.msgmni": "0", "kernel.sem": "0 0 0 0", "fs.mqueue.queues_max": "0"},
    }


def remove_orphans(client: docker.DockerClient) -> None:
    """Removes containers whose harness was killed before it had started them; started ones end by themselves."""
    with contextlib.suppress(DockerException, RequestException):
        for container in client.containers.list(
            all=True, filters={"label": f"{LABEL}=sandbox", "status": "created"}, ignore_removed=True
        ):
            host, _, pid = container.labels.get(OWNER, "").partition(" ")
            if host == socket.gethostname() and not Path(f"/proc/{pid}").exists():
                container.remove(force=True)


class Container:
    """A running container. It ends by itself when this process does, for then its stdin closes."""

    def __init__(self, client: docker.DockerClient, image: str, memory_mb: int, cpus: float, hash_seed: int):
        self.client, self.image, self.jobs = client, image, 0
        self._stderr = b""
        self._pending = bytearray()
        try:
            host = client.api.create_host_config(**hardening(memory_mb, cpus))
            created = client.api.create_container(
                image,
                stdin_open=True,
                host_config=host,
                labels={LABEL: "sandbox", OWNER: f"{socket.gethostname()} {os.getpid()}"},
                network_disabled=True,
                environment={"PYTHONHASHSEED": str(hash_seed)},
            )
            self.id = str(created["Id"])
            attached = client.api.attach_socket(self.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            self._socket: socket.socket = getattr(attached, "_sock", attached)
            self._attached = attached
            client.api.start(self.id)
        except (DockerException, RequestException) as error:
            raise InfrastructureError(f"the container did not start: {error}") from None
        self.hello, _ = self.read_reply(60)

    def request(self, messages: bytes, wait_s: float) -> tuple[dict[str, Any], bytes]:
        """Sends a job's messages and returns the reply's JSON and bytes. Raises InfrastructureError if none comes."""
        self.jobs += 1
        try:
            self._socket.settimeout(wait_s)
            self._socket.sendall(messages)
        except OSError as error:
            raise InfrastructureError(f"the container is gone: {error}; {self._why()}") from None
        return self.read_reply(wait_s)

    def read_reply(self, wait_s: float) -> tuple[dict[str, Any], bytes]:
        """The next reply of the agent, waiting for at most `wait_s` seconds at a time."""
        self._socket.settimeout(wait_s)
        text_size, blob_size = HEADER.unpack(self._take(HEADER.size))
        text = self._take(text_size)
        return json.loads(text), self._take(blob_size)

    def _take(self, size: int) -> bytes:
        while len(self._pending) < size:
            kind, length = STREAM.unpack(self._receive(STREAM.size))
            data = self._receive(length)
            if kind == STDERR:
                self._stderr = (self._stderr + data)[-2000:]
            else:
                self._pending += data
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    def _receive(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self._socket.recv(min(size - len(parts), 1 << 20))
            except OSError as error:
                raise InfrastructureError(f"the container does not answer: {error}; {self._why()}") from None
            if not part:
                raise InfrastructureError(f"the container ended; {self._why()}")
            parts += part
        return bytes(parts)

    def _why(self) -> str:
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        return f"its last words: {lines[-1]}" if lines else "it left no message"

    def close(self) -> None:
        """Ends the container, whatever runs in it. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(DockerException, RequestException):
            self.client.api.remove_container(self.id, force=True)
        # Last, for another thread may be about to read from it, and must not find another connection's descriptor.
        with contextlib.suppress(OSError):
            self._attached.close()
            self._socket.close()
