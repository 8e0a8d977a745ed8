"""The sandbox engine `bubblewrap`, for machines without a container engine: namespaces with the same agent inside.

Every sample has its own user, so this needs root or subordinate user ids (/etc/subuid).
"""

import contextlib
import itertools
import os
import select
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.engines import cgroups, images, rootfs
from evalharness.sandbox.engines.base_images import Log
from evalharness.sandbox.engines.container import (
    LOST_CONTAINER_HINT,
    Container,
    ImageIdentity,
    quote_last_stderr_line,
)
from evalharness.sandbox.engines.device_nodes import DeviceNodes
from evalharness.sandbox.engines.docker import MAX_FOLDER_MB, MAX_PIDS, MEMORY_FOR_AGENT_MB

CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_KILL")
AGENT_FOLDER = "/opt/evalharness/agent"
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
"""The symbolic links in /dev."""
GROUP_NUMBERS = itertools.count()
"""Numbers for the names of control groups, which must be unique in the process even with several engines."""
NAMESPACE_OPTIONS = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


class BubblewrapEngine:
    """The sandbox engine `bubblewrap`: runs containers by the command `bwrap` on file systems of sandbox images."""

    name = "bubblewrap"

    def __init__(self, log: Log = lambda text: None):
        self.log = log
        # bwrap ends with the thread that started it, so one thread of the engine starts all containers.
        self._starter = ThreadPoolExecutor(1, "bubblewrap")
        self._folders: dict[str, Path] = {}
        self._nodes = DeviceNodes()
        if not shutil.which("bwrap"):
            raise UserError(
                "--sandbox bubblewrap needs the command bwrap, which is not installed; on Debian: apt-get install "
                "bubblewrap"
            )
        self._prefix: list[str] = [] if os.geteuid() == 0 else user_namespace_command()
        cgroups.remove_orphaned_groups()

    def prepare(self, image: str) -> ImageIdentity:
        """Exports a sandbox image's root file system unless it exists; returns the image's tag and id.

        Raises UserError if that fails.
        """
        self._folders[image] = rootfs.ensure_rootfs(image, self.log)
        return {"image": images.image_tag(image), "id": rootfs.read_image_settings(self._folders[image])["id"]}

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Starts a container of a prepared image; returns it once the sandbox agent in it has sent a message.

        `memory_mb` is the memory limit of a sample, `cpus` the number of cores, `hash_seed` the PYTHONHASHSEED of the
        container. Raises InfrastructureError if the container does not start.
        """
        name = f"{cgroups.GROUP_NAME_PREFIX}-{os.getpid()}-{next(GROUP_NUMBERS)}"
        memory = memory_mb + MEMORY_FOR_AGENT_MB
        group = cgroups.ControlGroup(name, memory, MAX_PIDS, cpus)
        limits = {} if "memory" in group.missing else {"EVALHARNESS_LIMIT_MEMORY": str(memory << 20)}
        limits |= {} if "pids" in group.missing else {"EVALHARNESS_LIMIT_PIDS": str(MAX_PIDS)}
        folder = self._folders[image]
        settings = rootfs.read_image_settings(folder)
        environment = dict(line.split("=", 1) for line in settings["environment"])
        environment |= {"PYTHONHASHSEED": str(hash_seed), **limits}
        confined = confining_bwrap_command(folder, environment, self._nodes.host_paths(), group.cpu_time_file())
        command = [*self._prefix, *confined, *settings["entrypoint"]]
        return Container(self._starter.submit(BubblewrapChannel, command, group).result(), name)

    def describe(self) -> dict[str, str]:
        """Returns the version of bubblewrap (key `engine`) and "default" (key `runtime`), for a run's manifest."""
        version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.strip()
        return {"engine": version, "runtime": "default"}


def user_namespace_command() -> list[str]:
    """Returns the start of a command (`unshare` ...) that runs `bwrap` in a user namespace, for users other than root.

    The namespace has many user ids, so that each sample can have its own. Raises UserError if this machine does not
    allow such a namespace.
    """
    prefix = ["unshare", "--user", "--map-root-user", "--map-auto", "--"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        raise UserError(
            "--sandbox bubblewrap needs a user namespace with several user ids, which this user cannot create; run as "
            "root, or add this user to /etc/subuid and /etc/subgid, install newuidmap (apt-get install uidmap) and "
            "enable user namespaces"
        )
    return prefix


def confining_bwrap_command(
    root_folder: Path, environment: dict[str, str], device_nodes: dict[str, Path], cpu_time_file: Path | None
) -> list[str]:
    """Returns a `bwrap` command with all options that confine a container, to be followed by the program to run.

    The confinement is that of `docker.hardening_settings`. `root_folder` becomes the read-only root. `device_nodes` are
    the host's device nodes by their names in /dev. `cpu_time_file` is the file with the control group's CPU time, which
    the container can read.
    """
    arguments = ["bwrap", "--die-with-parent", "--new-session", "--as-pid-1", *NAMESPACE_OPTIONS, "--cap-drop", "ALL"]
    for capability in CAPABILITIES:
        arguments += ["--cap-add", capability]
    arguments += [
        "--ro-bind",
        str(root_folder),
        "/",
        "--proc",
        "/proc",
        "--tmpfs",
        "/dev",
        "--chdir",
        "/tmp",
        "--clearenv",
    ]
    for name, source in device_nodes.items():
        arguments += ["--dev-bind", str(source), f"/dev/{name}"]  # the agent makes them read-only
    for name, target in DEVICE_LINKS.items():
        arguments += ["--symlink", target, f"/dev/{name}"]
    arguments += ["--tmpfs", "/sys"]
    # The kernel lets the agent mount a /proc for each sample only if an uncovered one is mounted. Only root reaches it.
    arguments += ["--perms", "0700", "--tmpfs", "/mnt", "--bind", "/proc", "/mnt/proc"]
    if cpu_time_file:
        arguments += ["--ro-bind", str(cpu_time_file), f"/sys/fs/cgroup/{cpu_time_file.name}"]
    arguments += ["--ro-bind", str(images.AGENT_FOLDER), AGENT_FOLDER]
    for folder_in_memory in ("/tmp", "/dev/shm"):
        arguments += ["--perms", "1777", "--size", str(MAX_FOLDER_MB << 20), "--tmpfs", folder_in_memory]
    arguments += ["--remount-ro", "/dev"]
    for key, value in environment.items():
        arguments += ["--setenv", key, value]
    return [*arguments, "--"]


class BubblewrapChannel:
    """The pipes to and from the sandbox agent, the program in a `bwrap` container that runs samples."""

    def __init__(self, command: list[str], group: cgroups.ControlGroup):
        self.group = group
        self._stderr = b""
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                preexec_fn=group.enter,
                cwd="/",
            )
        except (OSError, subprocess.SubprocessError) as error:
            group.remove()
            raise InfrastructureError(
                f"the sandbox container did not start, because the command bwrap failed: {error}; {LOST_CONTAINER_HINT}"
            ) from None
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr

    def send(self, data: bytes, wait_s: float) -> None:
        """Sends all bytes to the stdin of the sandbox agent in the container.

        Raises InfrastructureError if the agent ends, or reads nothing for `wait_s` seconds.
        """
        view = memoryview(data)
        try:
            while view:
                if not select.select([], [self._in], [], wait_s)[1]:
                    raise InfrastructureError(
                        f"the sandbox container does not read the job that was sent to it; {LOST_CONTAINER_HINT}"
                    )
                view = view[self._in.write(view[: select.PIPE_BUF]) or 0 :]
        except (OSError, ValueError) as error:
            raise InfrastructureError(
                f"the sandbox container has ended: {error}; {quote_last_stderr_line(self._stderr)}; "
                f"{LOST_CONTAINER_HINT}"
            ) from None

    def receive(self, wait_s: float) -> bytes:
        """Returns the next bytes that the sandbox agent in the container writes to stdout.

        Stores the last bytes that it writes to stderr, for error messages.
        Raises InfrastructureError if the agent ends, or sends nothing for `wait_s` seconds.
        """
        try:
            while True:
                ready = select.select([self._out, self._err], [], [], wait_s)[0]
                if not ready:
                    raise InfrastructureError(f"the sandbox container does not answer; {LOST_CONTAINER_HINT}")
                if self._out not in ready:
                    errors = self._err.read(1 << 16) or b""
                    self._stderr = (self._stderr + errors)[-2000:]
                    if errors:
                        continue
                data = self._out.read(1 << 20)
                if not data:
                    raise InfrastructureError(
                        f"the sandbox container has ended; {quote_last_stderr_line(self._stderr)}; "
                        f"{LOST_CONTAINER_HINT}"
                    )
                return data
        except (OSError, ValueError) as error:
            raise InfrastructureError(f"the sandbox container has ended: {error}; {LOST_CONTAINER_HINT}") from None

    def cpu_s(self) -> float | None:
        """Returns the CPU seconds that the container has used, as its control group counts them; None if unknown."""
        return self.group.cpu_s()

    def lower_priority(self) -> None:
        """Lowers the CPU weight of the container's control group to a quarter of the default."""
        self.group.lower_priority()

    def close(self) -> None:
        """Ends the container with all of its processes. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._process.kill()  # pid 1 dies with it, and the whole namespace with pid 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self.group.remove()
        for stream in (self._in, self._out, self._err):
            with contextlib.suppress(OSError):
                stream.close()
