"""The byte stream to and from the agent in a Docker container, by its attached stdin, stdout and stderr."""

import contextlib
import socket
import struct

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from evalharness.errors import InfrastructureError
from evalharness.sandbox.engines.container import LOST_CONTAINER_HINT, quote_last_stderr_line

STREAM_HEADER = struct.Struct("!BxxxI")
"""The header of a frame of an attached stream: its kind (stdout or stderr) and length."""
STDERR = 2


class DockerChannel:
    """The stdin, stdout and stderr of a Docker container, which connect the harness with the agent inside."""

    def __init__(self, client: docker.DockerClient, container_id: str):
        """Attaches to the streams of a created container and starts the container; removes it if that fails."""
        self.client, self.id = client, container_id
        self._stderr = b""
        try:
            attached = client.api.attach_socket(self.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            self._attached = attached
            self._socket: socket.socket = getattr(attached, "_sock", attached)
            client.api.start(self.id)
        except BaseException:
            # The engine does not remove a container that never ran, even with auto_remove.
            with contextlib.suppress(DockerException, RequestException):
                client.api.remove_container(self.id, force=True)
            raise

    def send(self, data: bytes, wait_s: float) -> None:
        """Sends all bytes to the stdin of the sandbox agent in the container.

        Raises InfrastructureError if the container ends, or reads nothing for `wait_s` seconds.
        """
        try:
            self._socket.settimeout(wait_s)
            self._socket.sendall(data)
        except OSError as error:
            raise InfrastructureError(
                f"the sandbox container has ended: {error}; {quote_last_stderr_line(self._stderr)}; "
                f"{LOST_CONTAINER_HINT}"
            ) from None

    def receive(self, wait_s: float) -> bytes:
        """Returns the next bytes that the sandbox agent in the container writes to stdout.

        Stores the last bytes that it writes to stderr, for error messages.
        Raises InfrastructureError if the container ends, or the agent sends nothing for `wait_s` seconds.
        """
        self._socket.settimeout(wait_s)
        while True:
            kind, length = STREAM_HEADER.unpack(self._receive_exactly(STREAM_HEADER.size))
            data = self._receive_exactly(length)
            if kind != STDERR:
                return data
            self._stderr = (self._stderr + data)[-2000:]

    def _receive_exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self._socket.recv(min(size - len(parts), 1 << 20))
            except OSError as error:
                raise InfrastructureError(
                    f"the sandbox container does not answer: {error}; {quote_last_stderr_line(self._stderr)}; "
                    f"{LOST_CONTAINER_HINT}"
                ) from None
            if not part:
                raise InfrastructureError(
                    f"the sandbox container has ended; {quote_last_stderr_line(self._stderr)}; {LOST_CONTAINER_HINT}"
                )
            parts += part
        return bytes(parts)

    def cpu_s(self) -> float | None:
        """Returns the CPU seconds that the container has used, as its control group counts them; None if unknown."""
        try:
            stats = self.client.api.stats(self.id, stream=False, one_shot=True)
        except (DockerException, RequestException):
            return None
        used_ns = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
        return used_ns / 1e9 if used_ns else None

    def lower_priority(self) -> None:
        """Lowers the container's CPU weight to a quarter of the default."""
        with contextlib.suppress(DockerException, RequestException):
            self.client.api.update_container(self.id, cpu_shares=256)

    def close(self) -> None:
        """Ends the container with all of its processes. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(DockerException, RequestException):
            self.client.api.remove_container(self.id, force=True)
        # Last: another thread may be about to read, and must not read from a new connection with the same descriptor.
        with contextlib.suppress(OSError):
            self._attached.close()
            self._socket.close()
