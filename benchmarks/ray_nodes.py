"""A Ray cluster of `ray start` processes on loopback: a head without CPUs, and nodes that can be killed."""

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

START_ATTEMPTS = 4
HEAD_S = 90.0
"""Seconds in which the head must answer."""
ENVIRONMENT = {"RAY_DISABLE_MEMORY_MONITOR": "1", "RAY_worker_niceness": "0"}
"""By default Ray gives its workers a niceness of 15, so that all other processes on the machine come before them."""
RAY = Path(sys.executable).with_name("ray")


class Cluster:
    """A running cluster; `address` is the head's. Each node is a `ray start` process with its raylet and workers."""

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

    def _start(self, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        common = ["--block", "--node-ip-address", "127.0.0.1"]
        store = ["--object-store-memory", str(200 << 20), "--disable-usage-stats"]
        return subprocess.Popen(
            [str(RAY), "start", *arguments, *common, *store],
            stdout=self.log,
            stderr=self.log,
            env={**ENVIRONMENT, **os.environ, **environment},
        )

    def add(self, cpus: int = 1, **environment: str) -> "subprocess.Popen[bytes]":
        """Adds a node and waits until it has joined; retries, since Ray may give up on a busy machine."""
        before = self.node_count()
        for _ in range(START_ATTEMPTS):
            node = self._start("--address", self.address, "--num-cpus", str(cpus), **environment)
            while node.poll() is None:
                if self.node_count() > before:
                    self.nodes.append(node)
                    return node
                time.sleep(0.5)
        raise AssertionError(Path(self.log.name).read_text()[-3000:])

    def wait_for_head(self) -> None:
        """Waits until the head answers."""
        deadline = time.monotonic() + HEAD_S
        while self.node_count() != 0:
            if self.head.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(Path(self.log.name).read_text()[-3000:])
            time.sleep(0.1)

    def node_count(self) -> int:
        """Number of nodes without the head; -1 if the head does not answer."""
        code = (
            "import ray, sys; ray.init(address=sys.argv[1], logging_level='error', log_to_driver=False);"
            "print(sum(node['Alive'] and node['Resources'].get('CPU', 0) > 0 for node in ray.nodes()))"
        )
        done = subprocess.run([sys.executable, "-c", code, self.address], capture_output=True, text=True)
        return int(done.stdout.strip() or 0) if done.returncode == 0 else -1

    def kill(self, node: "subprocess.Popen[bytes]") -> None:
        """Kills a node and all its child processes with SIGKILL."""
        processes = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        node.wait()
        self.nodes = [other for other in self.nodes if other is not node]

    def processes(self) -> list[psutil.Process]:
        """All processes of the cluster."""
        processes = []
        for started in (self.head, *self.nodes):
            with suppress(psutil.NoSuchProcess):
                root = psutil.Process(started.pid)
                processes += [root, *root.children(recursive=True)]
        return processes

    def close(self) -> None:
        """Kills all nodes and the head."""
        for node in list(self.nodes):
            if node.poll() is None:
                self.kill(node)
        if self.head.poll() is None:
            self.kill(self.head)


@contextmanager
def ray_cluster(nodes: int, cpus: int = 1) -> Iterator[Cluster]:
    """A cluster with this many nodes, each with `cpus` CPUs."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(folder)
        try:
            cluster.wait_for_head()
            for _ in range(nodes):
                cluster.add(cpus)
            yield cluster
        finally:
            cluster.close()
