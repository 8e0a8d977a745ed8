"""Starts the grading service in its own process, on a loopback address."""

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


class ServiceProcess:
    """A running service; `arguments` are added to its command line."""

    def __init__(self, *arguments: str, token: str = TOKEN):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [str(Path(sys.executable).with_name("evalharness")), "serve-sandbox", "--data", "sample"]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *arguments],
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
        return [container["Id"] for container in client.api.containers(all=True, filters={"label": [label]})]

    def memory_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def stop(self) -> tuple[int, str]:
        """Ends the service with SIGTERM; returns its exit code and its stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=60)
        self.http.close()
        return self.process.returncode, stderr


@contextmanager
def running_service(*arguments: str, token: str = TOKEN) -> Iterator[ServiceProcess]:
    """A service that is stopped at the end, after which no container of it may be left."""
    service = ServiceProcess(*arguments, token=token)
    owned = f"{docker_engine.OWNER}={docker_engine.owner(service.process.pid)}"
    try:
        yield service
    finally:
        service.stop()
        client = docker_engine.connect()
        until(lambda: not client.api.containers(all=True, filters={"label": [owned]}))
