"""Messages arrive complete, whatever the pieces in which they are read."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.steady import steady
from hypothesis import given
from hypothesis import strategies as st

from evalharness.sandbox.agent.shared import wire

Pipe = tuple[int, int]
frames = st.lists(st.tuples(st.sampled_from([b"o", b"p", b"\0"]), st.binary(max_size=50)), max_size=8)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Read end and write end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def received(reader: wire.FrameReader) -> list[tuple[bytes, bytes]]:
    """All frames up to the end of the stream."""
    frames_read = []
    try:
        while True:
            frame = reader.next_message(5)
            if frame is not None:
                frames_read.append(frame)
    except wire.StreamClosed:
        return frames_read


@steady
@given(frames, st.integers(1, 12))
def test_frames_arrive_in_pieces_of_any_size(sent: list[tuple[bytes, bytes]], size: int) -> None:
    read, write = os.pipe()
    data = b"".join(wire.FRAME_HEADER.pack(kind, len(payload)) + payload for kind, payload in sent)
    reader, frames_read = wire.FrameReader(read, 50), []
    for start in range(0, len(data), size):
        os.write(write, data[start : start + size])
        frame = reader.next_message(0)
        while frame is not None:
            frames_read.append(frame)
            frame = reader.next_message(0)
    os.close(write)
    frames_read += received(reader)
    os.close(read)
    assert frames_read == sent


def test_a_frame_longer_than_allowed_is_refused_before_it_is_read(pipe: Pipe) -> None:
    os.write(pipe[1], wire.FRAME_HEADER.pack(b"o", 51))
    with pytest.raises(ValueError, match="51 bytes"):
        wire.FrameReader(pipe[0], 50).next_message(0)


def test_an_unfinished_frame_is_none(pipe: Pipe) -> None:
    reader = wire.FrameReader(pipe[0], 50)
    assert reader.next_message(0) is None
    os.write(pipe[1], wire.FRAME_HEADER.pack(b"o", 2) + b"a")
    assert reader.next_message(0) is None
    os.close(pipe[1])
    with pytest.raises(wire.StreamClosed):
        reader.next_message(0)


@pytest.mark.parametrize("job", [None, {"a": [1, (2.5, "é\udc80"), b"\0"]}, ["x" * 300_000]])
def test_messages_arrive(job: Any, pipe: Pipe) -> None:
    """Also messages that are larger than a pipe's buffer."""
    sender = threading.Thread(target=wire.write_all, args=(pipe[1], wire.pack_message(job) * 2))
    sender.start()
    assert [wire.read_message(pipe[0]), wire.read_message(pipe[0])] == [job, job]
    sender.join()


def test_an_incomplete_message_is_the_end(pipe: Pipe) -> None:
    os.write(pipe[1], wire.pack_message([1, 2, 3])[:-1])
    os.close(pipe[1])
    with pytest.raises(wire.StreamClosed):
        wire.read_message(pipe[0])


def test_replies_have_text_and_bytes(pipe: Pipe) -> None:
    wire.write_reply(pipe[1], {"a": "é"}, b"blob")
    sizes = wire.HEADER.unpack(wire.read_exact(pipe[0], wire.HEADER.size))
    assert json.loads(wire.read_exact(pipe[0], sizes[0])) == {"a": "é"}
    assert wire.read_exact(pipe[0], sizes[1]) == b"blob"
