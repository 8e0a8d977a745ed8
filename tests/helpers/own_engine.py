"""A container engine beside the machine's own, which tests may kill."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker

from evalharness.sandbox.engines import docker as docker_engine
from evalharness.sandbox.engines import images


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Waits for something that must come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class OwnEngine:
    """A container engine beside the machine's own, which may be killed."""

    def __init__(self, folder: Path):
        self.folder, self.host = folder, f"unix://{folder}/engine.sock"
        self.start()

    def start(self) -> None:
        self.log = (self.folder / "log").open("ab")
        words = ["--data-root", "data", "--exec-root", "exec", "--pidfile", "pid", "-H", self.host]
        words = [str(self.folder / word) if word in ("data", "exec", "pid") else word for word in words]
        for left in (self.folder / "pid", self.folder / "exec" / "containerd" / "containerd.pid"):
            left.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["unshare", "--net", "dockerd", *words, "--bridge=none", "--iptables=false"],
            stdout=self.log,
            stderr=self.log,
        )
        until(self.answers, 60)

    def answers(self) -> bool:
        try:
            return bool(docker.DockerClient(self.host).ping())
        except (docker.errors.DockerException, OSError):
            return False

    def kill(self) -> None:
        """At one stroke, as when the machine runs out of memory."""
        self.process.kill()
        self.process.wait()
        pid = self.folder / "exec" / "containerd" / "containerd.pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@contextlib.contextmanager
def own_engine(with_image: bool = True) -> Iterator[OwnEngine]:
    """An engine, with Python's image if asked. Its folder has a short name, for its sockets' names may not be long."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        made = OwnEngine(folder)
        try:
            if with_image:
                _give_image(made)
            yield made
        finally:
            made.stop()
            subprocess.run(f"grep {folder} /proc/mounts | cut -d' ' -f2 | xargs -r umount -l", shell=True)


def _give_image(made: OwnEngine) -> None:
    tag = images.image_tag("python")
    with (made.folder / "image.tar").open("w+b") as file:
        for part in docker_engine.connect_to_engine().images.get(tag).save(named=tag):
            file.write(part)
        file.seek(0)
        docker.DockerClient(made.host).images.load(file)
