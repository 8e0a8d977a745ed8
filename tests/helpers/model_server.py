"""Starts the model server in its own process, on a loopback address."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from helpers.own_engine import until

KEY = "correct horse"


class ModelServer:
    """A running server; `arguments` are added to its command line."""

    def __init__(self, *arguments: str, key: str = KEY):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [str(Path(sys.executable).with_name("evalharness")), "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EVALHARNESS_API_KEY": key},
        )
        until(self.answers, 120)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=120)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(f"/v1/{path}", json=body)

    def text(self, **body: Any) -> str:
        """The text of a completion."""
        response = self.post("completions", **body)
        assert response.status_code == 200, response.text
        return str(response.json()["choices"][0]["text"])

    def stream(self, path: str, **body: Any) -> list[tuple[str, Any]]:
        """The events of a stream: the name, or an empty text, and the data. The stream must be complete."""
        with self.http.stream("POST", f"/v1/{path}", json={**body, "stream": True}) as response:
            assert response.status_code == 200, response.read()
            blocks = "".join(response.iter_text()).split("\n\n")
        assert blocks[-2:] == ["data: [DONE]", ""]
        events = []
        for block in blocks[:-2]:
            *names, data = block.split("\n")
            name = names[0].removeprefix("event: ") if names else ""
            events.append((name, json.loads(data.removeprefix("data: "))))
        return events

    def rows(self) -> tuple[int, int]:
        """The rows that run and that wait."""
        health = httpx.get(f"{self.url}/health").json()
        return health["running"], health["waiting"]

    def idle(self) -> bool:
        return self.rows() == (0, 0)

    def memory_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def stop(self) -> tuple[int, str]:
        """Ends the server with SIGTERM; returns its exit code and its stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=60)
        self.http.close()
        return self.process.returncode, stderr


@contextmanager
def running_server(*arguments: str, key: str = KEY) -> Iterator[ModelServer]:
    """A server that is stopped at the end."""
    server = ModelServer(*arguments, key=key)
    try:
        yield server
    finally:
        server.stop()
