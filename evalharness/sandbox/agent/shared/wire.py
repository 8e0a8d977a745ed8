"""Reads and writes messages on file descriptors: between host and judge, and between sample and judge.

All reads are unbuffered, so that a process takes from a shared stream exactly the bytes meant for it.
"""

import json
import marshal
import os
import select
import struct
from typing import Any

from .messages import HelloMessage, ReplyMessage, TimeLimitMessage

HEADER = struct.Struct("!II")
FRAME_HEADER = struct.Struct("!cI")
Frame = tuple[bytes, bytes]
"""A message of an untrusted process: its kind (one byte) and its payload."""
VALUE_KINDS = (b"o", b"c", b"v", b"a")
"""Kinds of messages (frames) that carry values; all others are short."""
MAX_SHORT_BYTES = 4096
"""Most bytes of a message of another kind."""


class StreamClosed(Exception):
    """Raised when the other end has closed the stream."""


def read_exact(fd: int, size: int) -> bytes:
    """Returns exactly `size` bytes from a descriptor. Raises StreamClosed at the end of the stream."""
    parts: list[bytes] = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise StreamClosed
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes all of the data to a descriptor, in as many writes as needed."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def dumps(value: Any) -> bytes:
    """Returns a plain value (of builtin types only) as bytes for `loads`.

    The format is that of `marshal` version 2, which is the same in every Python version.
    """
    return marshal.dumps(value, 2)


loads = marshal.loads
"""Decodes bytes of `dumps`. Never for bytes of a process that ran a sample: those need `codec.decode`."""


def read_message(fd: int) -> Any:
    """Reads one message of a trusted process (see `pack_message`) from a descriptor; returns the value in it.

    Raises StreamClosed at the end of the stream.
    """
    size, _ = HEADER.unpack(read_exact(fd, HEADER.size))
    return loads(read_exact(fd, size))


def pack_message(value: Any) -> bytes:
    """Returns a plain value as a message for `read_message`: u32 length, u32 zero, and the bytes of `dumps`."""
    data = dumps(value)
    return HEADER.pack(len(data), 0) + data


def write_reply(fd: int, reply: ReplyMessage | HelloMessage | TimeLimitMessage, recorded_outputs: bytes = b"") -> None:
    """Writes a reply for the host to a descriptor: two u32 lengths, the reply as JSON, and `recorded_outputs`.

    The host stores `recorded_outputs` without decoding them.
    """
    text = json.dumps(reply).encode()
    write_all(fd, HEADER.pack(len(text), len(recorded_outputs)) + text + recorded_outputs)


class ValueTooLarge(ValueError):
    """Raised for a message that contains a larger value than the judge accepts.

    Not a sign of tampering: an unmodified sample's process may send one.
    """


class FrameReader:
    """Reads messages (frames) of an untrusted process. Each has a kind (one byte), a u32 length and a payload."""

    def __init__(self, fd: int, largest: int):
        self.fd, self.largest = fd, largest
        self.buffer = bytearray()
        self.position = 0

    def next_message(self, wait_s: float) -> Frame | None:
        """Returns the next message (kind, payload); None if no complete one arrives within about `wait_s` seconds.

        Raises StreamClosed at the end of the stream, ValueTooLarge for a value that is too long, and ValueError for
        another message that is too long.
        """
        frame = self._take_buffered_message()
        if frame is None and select.select([self.fd], [], [], wait_s)[0]:
            data = os.read(self.fd, 1 << 20)
            if not data:
                raise StreamClosed
            del self.buffer[: self.position]
            self.position = 0
            self.buffer += data
            frame = self._take_buffered_message()
        return frame

    def _take_buffered_message(self) -> Frame | None:
        start = self.position + FRAME_HEADER.size
        if len(self.buffer) < start:
            return None
        kind, size = FRAME_HEADER.unpack_from(self.buffer, self.position)
        limit = self.largest if kind in VALUE_KINDS else MAX_SHORT_BYTES
        if size > limit:
            raise (ValueTooLarge if kind in VALUE_KINDS else ValueError)(
                f"a message of a sample's process has {size} bytes, more than the limit of {limit}"
            )
        if len(self.buffer) < start + size:
            return None
        self.position = start + size
        return kind, bytes(self.buffer[start : start + size])
