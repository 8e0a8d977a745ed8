"""Starts a command that serves HTTP in its own process, on a loopback address; ends and kills it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from helpers.local_http import free_port
from helpers.own_engine import until

START_S = 300


class ServerProcess:
    """A running `evalharness` command; `environment` is added to its environment. `http` sends `secret` along."""

    def __init__(self, *words: object, secret: str = "", **environment: str):
        self.port, self.secret = free_port(), secret
        self.url = f"http://127.0.0.1:{self.port}"
        program = str(Path(sys.executable).with_name("evalharness"))
        self._command = [program, *map(str, words), "--port", str(self.port)]
        self._environment = {**os.environ, **environment}
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=120)
        self.start()

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        self.process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, env=self._environment)
        try:
            until(self.answers, START_S)
        except BaseException:
            self.process.kill()
            raise

    def answers(self) -> bool:
        assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def memory_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def kill(self) -> None:
        """Ends the process at once, whatever it does."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> tuple[int, str]:
        """Ends the process with SIGTERM; returns its exit code and its stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=60)
        self.http.close()
        return self.process.returncode, stderr
