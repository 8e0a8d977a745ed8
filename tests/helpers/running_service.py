"""A real service, in a process of its own, on loopback."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import httpx

from evalharness.sandbox.engines import docker as docker_engine
from helpers.own_engine import until

TOKEN = "correct horse"


class Running:
    """A service that was started. `port` is where it listens."""

    def __init__(self, *more: str, token: str = TOKEN):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        words = [str(Path(sys.executable).with_name("evalharness")), "serve-sandbox", "--data", "sample"]
        self.process = subprocess.Popen(
            [*words, "--port", str(self.port), *more],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EVALHARNESS_TOKEN": token},
        )
        until(self.answers, 60)
        headers = {"authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=120)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def post(self, **submission: object) -> httpx.Response:
        return self.http.post("/v1/verdicts", json=submission)

    def containers(self) -> list[str]:
        label = f"{docker_engine.OWNER}={docker_engine.owner(self.process.pid)}"
        client: docker.DockerClient = docker_engine.connect()
        return [each["Id"] for each in client.api.containers(all=True, filters={"label": [label]})]

    def memory_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def stop(self) -> tuple[int, str]:
        """Asks it to end; its exit code and what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=60)
        self.http.close()
        return self.process.returncode, said


@contextmanager
def running(*more: str, token: str = TOKEN) -> Iterator[Running]:
    service = Running(*more, token=token)
    owned = f"{docker_engine.OWNER}={docker_engine.owner(service.process.pid)}"
    try:
        yield service
    finally:
        service.stop()
        client = docker_engine.connect()
        until(lambda: not client.api.containers(all=True, filters={"label": [owned]}))
