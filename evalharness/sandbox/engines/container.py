"""A container with the sandbox agent inside, and the exchange of messages with it, for all engines."""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, cast

from evalharness.errors import InfrastructureError
from evalharness.sandbox.agent.shared.messages import HelloMessage, ReplyMessage, TimeLimitMessage
from evalharness.sandbox.agent.shared.wire import HEADER
from evalharness.sandbox.time_bound import TimeBound

START_TIMEOUT_S = 60.0
"""Seconds in which a new container's agent must send its hello message."""
LOST_CONTAINER_HINT = "run the command again; if this repeats, check free memory and run `evalharness sandbox check`"
"""What a user can do about a container that has ended; the end of error messages."""

ImageIdentity = dict[str, str]
"""What identifies a sandbox image in the manifest: its tag (key `image`) and its id (key `id`)."""


class Channel(Protocol):
    """The byte stream to and from the sandbox agent, the program in a container that runs samples.

    `send` and `receive` raise InfrastructureError if the container has ended.
    """

    def send(self, data: bytes, wait_s: float) -> None:
        """Sends all bytes to the agent in the container; waits at most `wait_s` seconds at a time for it to read."""
        ...

    def receive(self, wait_s: float) -> bytes:
        """Returns the next bytes from the agent in the container, at least one; waits at most `wait_s` seconds."""
        ...

    def cpu_s(self) -> float | None:
        """Returns the CPU seconds that the container has used so far; None if unknown."""
        ...

    def lower_priority(self) -> None:
        """Lowers the container's CPU priority below that of other containers; does nothing if the engine cannot."""
        ...

    def close(self) -> None:
        """Ends the container with all of its processes. Safe to call twice."""
        ...


class JobReply(NamedTuple):
    """The agent's answer to a job: its reply message and, if the job ran a reference solution, the encoded outputs."""

    reply: ReplyMessage
    recorded_outputs: bytes


class Container:
    """A running sandbox container. It ends with the harness process, because that closes the container's stdin."""

    def __init__(self, channel: Channel, name: str):
        self.channel, self.id, self.jobs = channel, name, 0
        self._pending = bytearray()
        try:
            hello, _ = self._read_message_and_data(lambda: START_TIMEOUT_S)
            self.hello = cast(HelloMessage, hello)
        except InfrastructureError:
            channel.close()
            raise

    def run_job(self, job_messages: bytes, bound: TimeBound) -> JobReply:
        """Sends a job's messages to the container's agent; returns the agent's reply.

        Before its reply, the agent may send another time limit for the job, which then applies. Raises
        InfrastructureError if the container ends without a reply, and TotalTimeExceeded if no reply arrives within
        `bound`.
        """
        self.jobs += 1
        try:
            self.channel.send(job_messages, bound.remaining_s())
            message, recorded_outputs = self._read_message_and_data(bound.remaining_s)
            while "limit_s" in message:
                bound.limit_s = cast(TimeLimitMessage, message)["limit_s"]
                message, recorded_outputs = self._read_message_and_data(bound.remaining_s)
        except InfrastructureError:
            bound.remaining_s()
            raise
        return JobReply(cast(ReplyMessage, message), recorded_outputs)

    def _read_message_and_data(self, remaining_s: Callable[[], float]) -> tuple[dict[str, object], bytes]:
        """Returns the agent's next message, a JSON object, and the binary data that follows it.

        `remaining_s()` returns the seconds to wait at most.
        """
        text_size, blob_size = HEADER.unpack(self._receive_bytes(HEADER.size, remaining_s))
        text = self._receive_bytes(text_size, remaining_s)
        return json.loads(text), self._receive_bytes(blob_size, remaining_s)

    def _receive_bytes(self, size: int, remaining_s: Callable[[], float]) -> bytes:
        while len(self._pending) < size:
            self._pending += self.channel.receive(remaining_s())
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    def close(self) -> None:
        """Ends the container. Safe to call twice."""
        self.channel.close()


class Engine(Protocol):
    """A sandbox engine, such as Docker: builds sandbox images and starts containers from them."""

    name: str

    def prepare(self, image: str) -> ImageIdentity:
        """Builds a sandbox image unless it exists; returns its tag and id, for a run's manifest.

        Raises UserError if that fails.
        """
        ...

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        """Starts a container of a sandbox image that `prepare` has built; returns it.

        `memory_mb` is the memory limit of a sample, `cpus` the number of cores, `hash_seed` the PYTHONHASHSEED of the
        container. Raises InfrastructureError if the container does not start.
        """
        ...

    def describe(self) -> Mapping[str, str]:
        """Returns the engine's name and version, for a run's manifest."""
        ...


def quote_last_stderr_line(stderr_output: bytes) -> str:
    """Returns a clause for an error message that quotes the last line of a container's output on stderr."""
    lines = stderr_output.decode(errors="replace").strip().splitlines()
    return f"its last line on stderr: {lines[-1][-300:]}" if lines else "it wrote nothing to stderr"
