"""Frames on file descriptors: between host and judge, and between a sample's process and the judge.

All reads are unbuffered, so that a process takes from a shared stream exactly what is its own.
"""

import json
import marshal
import os
import select
import struct
from typing import Any

HEADER = struct.Struct("!II")
FRAME = struct.Struct("!cI")
LARGE_KINDS = (b"o", b"c", b"v", b"a")
"""Frames that carry values; all others are short."""
LARGEST_TEXT = 4096


class Closed(Exception):
    """The other end is gone."""


def read_exact(fd: int, size: int) -> bytes:
    """Exactly `size` bytes. Raises Closed at the end of the stream."""
    parts: list[bytes] = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes everything, also to a descriptor that takes little at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def dumps(value: Any) -> bytes:
    """A plain value from a trusted process, as bytes; version 2 is the same for every Python."""
    return marshal.dumps(value, 2)


loads = marshal.loads
"""Undoes `dumps`. Never for bytes from a process that ran a sample: see `codec.decode`."""


def read_job(fd: int) -> Any:
    """A plain value from a trusted process: u32 length, u32 zero, the bytes of `dumps`."""
    size, _ = HEADER.unpack(read_exact(fd, HEADER.size))
    return loads(read_exact(fd, size))


def pack_job(value: Any) -> bytes:
    """The other side of `read_job`."""
    data = dumps(value)
    return HEADER.pack(len(data), 0) + data


def write_reply(fd: int, reply: dict[str, Any], blob: bytes = b"") -> None:
    """A reply to the host: u32 and u32 lengths, JSON, then bytes that the host keeps without looking inside."""
    text = json.dumps(reply).encode()
    write_all(fd, HEADER.pack(len(text), len(blob)) + text + blob)


class TooLarge(ValueError):
    """A value larger than the judge holds; the value of an honest sample may be."""


class FrameReader:
    """Frames from an untrusted process: one byte of kind, u32 length, payload."""

    def __init__(self, fd: int, largest: int):
        self.fd, self.largest = fd, largest
        self.buffer = bytearray()
        self.position = 0

    def next(self, wait_s: float) -> tuple[bytes, bytes] | None:
        """The next frame, or None if none is complete after one wait of `wait_s` seconds.

        Raises Closed at the end of the stream, and ValueError (TooLarge for a value) for a frame longer than allowed.
        """
        frame = self._take()
        if frame is None and select.select([self.fd], [], [], wait_s)[0]:
            data = os.read(self.fd, 1 << 20)
            if not data:
                raise Closed
            del self.buffer[: self.position]
            self.position = 0
            self.buffer += data
            frame = self._take()
        return frame

    def _take(self) -> tuple[bytes, bytes] | None:
        start = self.position + FRAME.size
        if len(self.buffer) < start:
            return None
        kind, size = FRAME.unpack_from(self.buffer, self.position)
        if size > (self.largest if kind in LARGE_KINDS else LARGEST_TEXT):
            raise (TooLarge if kind in LARGE_KINDS else ValueError)(f"a frame of {size} bytes")
        if len(self.buffer) < start + size:
            return None
        self.position = start + size
        return kind, bytes(self.buffer[start : start + size])
