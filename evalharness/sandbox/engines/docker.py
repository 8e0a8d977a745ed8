"""The sandbox engine `docker`: hardened containers by the Docker API (Docker, rootless Docker, Podman)."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.base_images import Log
from evalharness.sandbox.engines.container import LOST_CONTAINER_HINT, Container, ImageIdentity
from evalharness.sandbox.engines.docker_channel import DockerChannel

MEMORY_FOR_AGENT_MB = 1024
"""Memory beyond the sample's limit: for the judge, files in memory, and the kernel's own."""
MAX_FOLDER_MB = 256
MAX_FOLDER_FILES = 65536
"""Most files in each writable folder; `MAX_FOLDER_MB` limits their size."""
MAX_PIDS = 256
"""Most processes and threads of a container."""
LABEL, OWNER_LABEL = "evalharness", "evalharness.owner"


def connect_to_engine() -> docker.DockerClient:
    """Returns a client of the Docker API. Raises UserError if no container engine answers."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except (DockerException, RequestException) as error:
        host = os.environ.get("DOCKER_HOST", "the local Docker socket")
        raise UserError(
            f"no container engine answers at {host} ({_describe_connection_error(error)}); install and start Docker: "
            "apt-get install docker.io && (systemctl start docker || dockerd &), or set DOCKER_HOST"
        ) from None
    return client


def _describe_connection_error(error: Exception) -> str:
    text = str(error).replace("\n", " ")
    return (
        "permission denied" if "Permission denied" in text else "not running" if "No such file" in text else text[-80:]
    )


def hardening_settings(memory_mb: int, cpus: float) -> dict[str, Any]:
    """Returns the settings of the Docker API that confine a container; docs/sandbox.md lists what they guarantee.

    `memory_mb` is the memory limit of a sample; the container gets `MEMORY_FOR_AGENT_MB` more. `cpus` is the number of
    cores.
    """
    memory = f"{memory_mb + MEMORY_FOR_AGENT_MB}m"
    tmpfs = f"rw,exec,nosuid,nodev,size={MAX_FOLDER_MB}m,nr_inodes={MAX_FOLDER_FILES},mode=1777"
    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["SETUID", "SETGID", "KILL"],
        # The agent makes namespaces for samples, whose own filter of system calls forbids that and much more.
        "security_opt": ["no-new-privileges", "seccomp=unconfined", "apparmor=unconfined"],
        "pids_limit": MAX_PIDS,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(cpus * 1e9),
        # A read-only /dev: nobody can set the times of its nodes, which would be a message for the next sample.
        "tmpfs": {"/tmp": tmpfs, "/dev/shm": tmpfs, "/dev": "ro,dev,nosuid,noexec,size=64k,mode=755"},
        "log_config": {"type": "none", "config": {}},
        "auto_remove": True,
        "ipc_mode": "private",
        # No shared memory, semaphores or message queues, by which a sample could leave a message for the next.
        "sysctls": {"kernel.shmmni": "0", "kernel.msgmni": "0", "kernel.sem": "0 0 0 0", "fs.mqueue.queues_max": "0"},
    }


def owner_label(harness_pid: int) -> str:
    """Returns the value of `OWNER_LABEL` for the containers of a harness process: its host name, pid and start time."""
    return f"{socket.gethostname()} {harness_pid} {_process_start_time(harness_pid)}"


def _process_start_time(pid: int) -> str:
    """Returns when a process started, in clock ticks since boot; empty if there is no such process.

    The start time distinguishes processes that had the same pid at different times.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def remove_orphaned_containers(client: docker.DockerClient) -> int:
    """Removes this machine's sandbox containers whose harness process has ended; returns the number of removed ones."""
    removed = 0
    with contextlib.suppress(DockerException, RequestException):
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}=sandbox"}, ignore_removed=True):
            host, _, process = container.labels.get(OWNER_LABEL, "").partition(" ")
            pid, _, started = process.partition(" ")
            if host == socket.gethostname() and (
                not pid.isdigit() or not started or _process_start_time(int(pid)) != started
            ):
                with contextlib.suppress(DockerException, RequestException):
                    container.remove(force=True)
                    removed += 1
    return removed


@contextlib.contextmanager
def translate_engine_errors() -> Iterator[None]:
    """A context manager that raises InfrastructureError in place of errors of the Docker API."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise InfrastructureError(
            f"the container engine (Docker API) does not answer any more: {error}; check `docker info`"
        ) from None


class DockerEngine:
    """The sandbox engine `docker`. `runtime` is the container runtime, such as `runsc`; None for Docker's default."""

    name = "docker"

    def __init__(self, runtime: str | None = None, log: Log = lambda text: None):
        self.client, self.runtime, self.log = connect_to_engine(), runtime, log
        with translate_engine_errors():
            runtimes = self.client.info().get("Runtimes", {})
        if runtime and runtimes and runtime not in runtimes:
            raise UserError(
                f"--option runtime={runtime}: the container engine has no such runtime; choose one of "
                f"{', '.join(sorted(runtimes))}"
            )
        remove_orphaned_containers(self.client)

    def prepare(self, image: str) -> ImageIdentity:
        """Builds a sandbox image unless it exists; returns its tag and id, for a run's manifest.

        Raises UserError if that fails.
        """
        with translate_engine_errors():
            return {"image": images.image_tag(image), "id": images.build_image(self.client, image, self.log)}

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Starts a container of a prepared image; returns it once the sandbox agent in it has sent a message.

        `memory_mb` is the memory limit of a sample, `cpus` the number of cores, `hash_seed` the PYTHONHASHSEED of the
        container. Raises InfrastructureError if the container does not start.
        """
        settings = hardening_settings(memory_mb, cpus) | ({"runtime": self.runtime} if self.runtime else {})
        try:
            created = self.client.api.create_container(
                images.image_tag(image),
                stdin_open=True,
                host_config=self._host_config(settings),
                labels={LABEL: "sandbox", OWNER_LABEL: owner_label(os.getpid())},
                environment={"PYTHONHASHSEED": str(hash_seed)},
            )
            channel = DockerChannel(self.client, str(created["Id"]))
        except (DockerException, RequestException) as error:
            raise InfrastructureError(f"the sandbox container did not start: {error}; {LOST_CONTAINER_HINT}") from None
        return Container(channel, channel.id)

    def _host_config(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Returns the hardening settings as the Docker API's host configuration, with no files in /proc masked.

        The agent mounts a new /proc for each sample. The kernel allows that only if Docker masks no files in /proc. A
        sample sees less in the new /proc than it would see in the one that Docker masks. The agent reads the unmasked
        /proc with an ordinary user's rights only, because the agent is root only in a user namespace.
        """
        config = self.client.api.create_host_config(**settings)
        return {**config, "MaskedPaths": [], "ReadonlyPaths": []}

    def describe(self) -> dict[str, str]:
        """Returns the version (key `engine`) and runtime of the Docker engine, for a run's manifest."""
        with translate_engine_errors():
            version = self.client.version()
        return {"engine": f"docker {version.get('Version', '')}", "runtime": self.runtime or "default"}
