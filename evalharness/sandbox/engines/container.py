"""One container with an agent inside, and the conversation with it, whichever engine made it."""

import json
from typing import Any, Protocol

from evalharness.errors import InfrastructureError
from evalharness.sandbox.agent.wire import HEADER

START_S = 60.0
"""How long an agent may take to say hello."""


class Channel(Protocol):
    """The bytes to and from an agent. Every method raises InfrastructureError when the other end is gone."""

    def send(self, data: bytes, wait_s: float) -> None:
        """Sends everything, waiting for at most `wait_s` seconds at a time."""
        ...

    def more(self, wait_s: float) -> bytes:
        """What has come from the agent, at least one byte."""
        ...

    def cpu_s(self) -> float | None:
        """Seconds of processor that the container has used so far; None where nobody knows."""
        ...

    def close(self) -> None:
        """Ends the container, whatever runs in it. Safe to call twice."""
        ...


class Container:
    """A running container. It ends by itself when this process does, for then its stdin closes."""

    def __init__(self, channel: Channel, name: str):
        self.channel, self.id, self.jobs = channel, name, 0
        self._pending = bytearray()
        try:
            self.hello, _ = self.read_reply(START_S)
        except InfrastructureError:
            channel.close()
            raise

    def request(self, messages: bytes, wait_s: float) -> tuple[dict[str, Any], bytes]:
        """Sends a job's messages and returns the reply's JSON and bytes. Raises InfrastructureError if none comes."""
        self.jobs += 1
        self.channel.send(messages, wait_s)
        return self.read_reply(wait_s)

    def read_reply(self, wait_s: float) -> tuple[dict[str, Any], bytes]:
        """The next reply of the agent, waiting for at most `wait_s` seconds at a time."""
        text_size, blob_size = HEADER.unpack(self._take(HEADER.size, wait_s))
        text = self._take(text_size, wait_s)
        return json.loads(text), self._take(blob_size, wait_s)

    def _take(self, size: int, wait_s: float) -> bytes:
        while len(self._pending) < size:
            self._pending += self.channel.more(wait_s)
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    def close(self) -> None:
        """Ends the container. Safe to call twice."""
        self.channel.close()


class Engine(Protocol):
    """What makes containers."""

    name: str

    def prepare(self, image: str) -> dict[str, str]:
        """Makes sure that the image is there, building it if need be; what identifies it, for the manifest."""
        ...

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Starts a container of a prepared image. Raises InfrastructureError."""
        ...

    def describe(self) -> dict[str, Any]:
        """The engine and its version, for the manifest."""
        ...


def last_words(text: bytes) -> str:
    """What a container said on stderr before it was gone."""
    lines = text.decode(errors="replace").strip().splitlines()
    return f"its last words: {lines[-1][-300:]}" if lines else "it left no message"
