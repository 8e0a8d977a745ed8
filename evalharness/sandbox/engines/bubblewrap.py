"""Containers by bubblewrap, for machines where no container engine is allowed: namespaces, and the same agent inside.

Every sample is a user of its own, so the user who runs this must be root or have subordinate ids (/etc/subuid).
"""

import contextlib
import itertools
import os
import select
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from evalharness.errors import InfrastructureError, UserError
from evalharness.sandbox.engines import cgroups, images, rootfs
from evalharness.sandbox.engines.container import Container, last_words
from evalharness.sandbox.engines.docker import FILES_MB, MEMORY_FOR_AGENT_MB, PIDS

CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_KILL")
AGENT_PLACE = "/opt/evalharness/agent"
NAMESPACES = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


class BubblewrapEngine:
    """Containers by the `bwrap` command, on root file systems that `rootfs` keeps."""

    name = "bubblewrap"

    def __init__(self, log: images.Log = lambda text: None):
        self.log, self._number = log, itertools.count()
        # bwrap ends when the thread that started it does, so one that lives as long as this engine starts them all.
        self._starter = ThreadPoolExecutor(1, "bubblewrap")
        self._folders: dict[str, Path] = {}
        if not shutil.which("bwrap"):
            raise UserError("bubblewrap is not installed; on Debian: apt-get install bubblewrap")
        self._prefix: list[str] = [] if os.geteuid() == 0 else user_namespace()
        cgroups.remove_left(living())

    def prepare(self, image: str) -> dict[str, str]:
        """Makes sure of the image's root file system."""
        self._folders[image] = rootfs.ensure(image, self.log)
        return {"image": images.image_tag(image), "id": rootfs.settings_of(self._folders[image])["id"]}

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Starts a container and waits for its agent."""
        name = f"{cgroups.PREFIX}-{os.getpid()}-{next(self._number)}"
        memory = memory_mb + MEMORY_FOR_AGENT_MB
        group = cgroups.Group(name, memory, PIDS, cpus)
        limits = {} if "memory" in group.missing else {"EVALHARNESS_LIMIT_MEMORY": str(memory << 20)}
        limits |= {} if "pids" in group.missing else {"EVALHARNESS_LIMIT_PIDS": str(PIDS)}
        folder = self._folders[image]
        settings = rootfs.settings_of(folder)
        environment = dict(line.split("=", 1) for line in settings["environment"])
        environment |= {"PYTHONHASHSEED": str(hash_seed), **limits}
        command = [*self._prefix, *confinement(folder, environment), *settings["entrypoint"]]
        return Container(self._starter.submit(BubblewrapChannel, command, group).result(), name)

    def describe(self) -> dict[str, Any]:
        """The version of bubblewrap."""
        said = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.strip()
        return {"engine": said, "runtime": "default"}


def user_namespace() -> list[str]:
    """The command before `bwrap` that gives an ordinary user a range of users. Raises UserError where it cannot."""
    prefix = ["unshare", "--user", "--map-root-user", "--map-auto", "--"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        raise UserError(
            "bubblewrap needs root, or subordinate ids for this user: lines in /etc/subuid and /etc/subgid, "
            "newuidmap (apt-get install uidmap), and user namespaces allowed by the kernel"
        )
    return prefix


def confinement(folder: Path, environment: dict[str, str]) -> list[str]:
    """The `bwrap` command line before the program; the counterpart of the settings in `docker_engine.hardening`."""
    words = ["bwrap", "--die-with-parent", "--new-session", "--as-pid-1", *NAMESPACES, "--cap-drop", "ALL"]
    for capability in CAPABILITIES:
        words += ["--cap-add", capability]
    words += ["--ro-bind", str(folder), "/", "--proc", "/proc", "--dev", "/dev", "--chdir", "/tmp", "--clearenv"]
    words += ["--ro-bind", str(images.AGENT), AGENT_PLACE]
    for place in ("/tmp", "/dev/shm"):
        words += ["--perms", "1777", "--size", str(FILES_MB << 20), "--tmpfs", place]
    words += ["--remount-ro", "/dev"]
    for key, value in environment.items():
        words += ["--setenv", key, value]
    return [*words, "--"]


def living() -> frozenset[int]:
    """The processes of this machine."""
    return frozenset(int(name) for name in os.listdir("/proc") if name.isdigit())


class BubblewrapChannel:
    """The pipes of a `bwrap` process, of which stdout carries the agent's messages."""

    def __init__(self, command: list[str], group: cgroups.Group):
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
            raise InfrastructureError(f"bubblewrap did not start: {error}") from None
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr

    def send(self, data: bytes, wait_s: float) -> None:
        """Sends everything to the agent's stdin."""
        view = memoryview(data)
        try:
            while view:
                if not select.select([], [self._in], [], wait_s)[1]:
                    raise InfrastructureError("the container takes no message")
                view = view[self._in.write(view[: select.PIPE_BUF]) or 0 :]
        except (OSError, ValueError) as error:
            raise InfrastructureError(f"the container is gone: {error}; {last_words(self._stderr)}") from None

    def more(self, wait_s: float) -> bytes:
        """What the agent wrote on stdout; what came on stderr is kept as its last words."""
        try:
            while True:
                ready = select.select([self._out, self._err], [], [], wait_s)[0]
                if not ready:
                    raise InfrastructureError("the container does not answer")
                if self._out not in ready:
                    said = self._err.read(1 << 16) or b""
                    self._stderr = (self._stderr + said)[-2000:]
                    if said:
                        continue
                data = self._out.read(1 << 20)
                if not data:
                    raise InfrastructureError(f"the container ended; {last_words(self._stderr)}")
                return data
        except (OSError, ValueError) as error:
            raise InfrastructureError(f"the container is gone: {error}") from None

    def cpu_s(self) -> float | None:
        """What its control group has counted."""
        return self.group.cpu_s()

    def close(self) -> None:
        """Ends the container, whatever runs in it. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._process.kill()  # pid 1 dies with it, and all of the namespace with pid 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self.group.remove()
        for stream in (self._in, self._out, self._err):
            with contextlib.suppress(OSError):
                stream.close()
