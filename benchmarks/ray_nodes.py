"""A real Ray cluster on loopback: a head that does no work, and nodes that can be killed."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

TRIES = 4
HEAD_S = 90.0
FOR_RAY = {"RAY_DISABLE_MEMORY_MONITOR": "1", "RAY_worker_niceness": "0"}
"""Ray would give its workers a niceness of 15, and all else on the machine the processor before them."""
RAY = Path(sys.executable).with_name("ray")


class Cluster:
    """Nodes are `ray start` processes, each with its raylet and workers."""

    def __init__(self, folder: str):
        self.log = (Path(folder) / "log").open("wb")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        self.head = self._start(
            "--head", "--port", port, "--num-cpus", "0", "--temp-dir", folder, "--include-dashboard", "false"
        )
        self.nodes: list[subprocess.Popen[bytes]] = []

    def _start(self, *words: str, **environment: str) -> "subprocess.Popen[bytes]":
        common = ["--block", "--node-ip-address", "127.0.0.1"]
        store = ["--object-store-memory", str(200 << 20), "--disable-usage-stats"]
        return subprocess.Popen(
            [str(RAY), "start", *words, *common, *store],
            stdout=self.log,
            stderr=self.log,
            env={**FOR_RAY, **os.environ, **environment},
        )

    def add(self, cpus: int = 1, **environment: str) -> "subprocess.Popen[bytes]":
        """One more node, which is there when this returns. On a busy machine Ray itself may give up starting one."""
        before = self.there()
        for _ in range(TRIES):
            node = self._start("--address", self.address, "--num-cpus", str(cpus), **environment)
            while node.poll() is None:
                if self.there() > before:
                    self.nodes.append(node)
                    return node
                time.sleep(0.5)
        raise AssertionError(Path(self.log.name).read_text()[-3000:])

    def wait_for_head(self) -> None:
        """Returns when the head answers."""
        end = time.monotonic() + HEAD_S
        while self.there() != 0:
            if self.head.poll() is not None or time.monotonic() > end:
                raise AssertionError(Path(self.log.name).read_text()[-3000:])
            time.sleep(0.1)

    def there(self) -> int:
        """How many nodes there are, without the head; -1 if not even that answers."""
        code = (
            "import ray, sys; ray.init(address=sys.argv[1], logging_level='error', log_to_driver=False);"
            "print(sum(each['Alive'] and each['Resources'].get('CPU', 0) > 0 for each in ray.nodes()))"
        )
        done = subprocess.run([sys.executable, "-c", code, self.address], capture_output=True, text=True)
        return int(done.stdout.strip() or 0) if done.returncode == 0 else -1

    def kill(self, node: "subprocess.Popen[bytes]") -> None:
        """At one stroke, with all that it started."""
        every = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        for process in every:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        node.wait()
        self.nodes = [each for each in self.nodes if each is not node]

    def processes(self) -> list[psutil.Process]:
        """All that the cluster consists of now."""
        found = []
        for each in (self.head, *self.nodes):
            with suppress(psutil.NoSuchProcess):
                found += [psutil.Process(each.pid), *psutil.Process(each.pid).children(recursive=True)]
        return found

    def close(self) -> None:
        """Ends everything."""
        for node in list(self.nodes):
            if node.poll() is None:
                self.kill(node)
        if self.head.poll() is None:
            self.kill(self.head)


@contextmanager
def ray_cluster(nodes: int, cpus: int = 1) -> Iterator[Cluster]:
    """A cluster with so many nodes that grade."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(folder)
        try:
            cluster.wait_for_head()
            for _ in range(nodes):
                cluster.add(cpus)
            yield cluster
        finally:
            cluster.close()
