"""The messages (frames) that a sample's process sends to the judge.

`o` an output, encoded; `d` the digest of a large output, which the judge answers by `n` (next) or `s` (send: frames `c`
with its pieces follow, then `z`); `f` facts (`OutputFacts`) of a trusted program's output; `e` the outcome of an
exception; `q` the end is reached, which the judge answers by a secret; `p` returns this secret. A process that ends
without `e` or `p` did not finish its part.
"""

import os
import time
from typing import Any

from ..shared import codec, wire
from ..shared.outcome import Outcome
from ..shared.outputs import CHUNK_ELEMENTS, digest_of_pieces, encode_in_pieces

MAX_DIRECT_BYTES = 64 << 10
"""Most bytes of an encoded output that is sent without a request; for a larger one the digest is sent first."""
FLUSH_BYTES = 32 << 10
"""Pending messages are written when they have more than this many bytes."""

_MEMORY_ERROR = Outcome("memory", "MemoryError").pack()
OUT_OF_MEMORY = wire.FRAME_HEADER.pack(b"e", len(_MEMORY_ERROR)) + _MEMORY_ERROR


class Reporter:
    """Sends a sample process's messages (frames) to the judge; collects small ones and writes them together."""

    def __init__(self, out_fd: int, control_fd: int):
        self.out_fd, self.control_fd = out_fd, control_fd
        self.pending = bytearray()
        self.flushed_at = time.monotonic()
        self._write, self._read, self._now = os.write, os.read, time.monotonic

    def send_frame(self, kind: bytes, payload: bytes) -> None:
        """Sends a message to the judge. The message may be written later, together with further messages."""
        self.pending += wire.FRAME_HEADER.pack(kind, len(payload)) + payload
        # The output of a fast call is held back for a millisecond at most, so that a hang in the next call does not
        # hide it for long.
        if len(self.pending) > FLUSH_BYTES or self._now() - self.flushed_at > 0.001:
            self.flush()

    def flush(self) -> None:
        """Writes all pending messages to the judge."""
        view = memoryview(bytes(self.pending))
        while view:
            view = view[self._write(self.out_fd, view) :]
        self.pending.clear()
        self.flushed_at = self._now()

    def report_end(self) -> None:
        """Tells the judge that the program has reached its end; receives a secret from the judge and sends it back."""
        self.send_frame(b"q", b"")
        self.flush()
        self.send_frame(b"p", self._read(self.control_fd, 16))

    def report_out_of_memory(self) -> None:
        """Tells the judge that memory is exhausted, without allocating memory."""
        for ready in (self.pending, OUT_OF_MEMORY):
            self._write(self.out_fd, ready)
        self.pending.clear()

    def send_output(self, value: Any, encode_items: bool, send_whole: bool) -> None:
        """Sends an output of the program to the judge: a small output encoded, a large one as a digest.

        If the judge then requests the large output, sends it in encoded pieces. `encode_items`: encode also the items
        of an iterable that cannot be encoded itself; `send_whole`: send a large output encoded instead of its digest.
        """
        if not (isinstance(value, list | tuple) and len(value) > CHUNK_ELEMENTS):
            data = codec.encode(value, encode_items)
            if send_whole or len(data) <= MAX_DIRECT_BYTES:
                return self.send_frame(b"o", data)
        elif send_whole:
            return self.send_frame(b"o", codec.encode(value, encode_items))
        self.send_frame(b"d", digest_of_pieces(encode_in_pieces(value)))
        self.flush()
        if self._read(self.control_fd, 1) == b"s":
            for piece in encode_in_pieces(value):
                self.send_frame(b"c", piece)
            self.send_frame(b"z", b"")
        return None
