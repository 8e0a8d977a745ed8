"""Starts `evalharness arena serve` in its own process, on a loopback address."""

from pathlib import Path

from helpers.server_process import ServerProcess


class ArenaServer(ServerProcess):
    """A running arena; `arguments` are added to its command line."""

    def __init__(self, runs: Path, votes: Path, *arguments: str, token: str = ""):
        super().__init__("arena", "serve", runs, "--votes", votes, *arguments, secret=token, EVALHARNESS_TOKEN=token)
