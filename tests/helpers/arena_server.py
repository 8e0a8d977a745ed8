"""Starts `evalharness arena serve` in its own process, on a loopback address, and kills it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from helpers.own_engine import until


class ArenaServer:
    """A running arena; `arguments` are added to its command line."""

    def __init__(self, runs: Path, votes: Path, *arguments: str, token: str = ""):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        program = str(Path(sys.executable).with_name("evalharness"))
        self.command = [
            program,
            "arena",
            "serve",
            str(runs),
            "--votes",
            str(votes),
            "--port",
            str(self.port),
            *arguments,
        ]
        self.token = token
        self.start()

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        environment = {**os.environ, "EVALHARNESS_TOKEN": self.token}
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True, env=environment)
        until(self.answers, 60)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Ends the process at once, whatever it does."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> tuple[int, str]:
        """Ends the process with SIGTERM; returns its exit code and its stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stderr
