"""One process that runs a part of a sample's program, as the judge sees it: forked at once, set going later."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from . import clean, clock, sample, wire
from .clock import Stopwatch
from .signals import signal_name

FAREWELL_S = 1.0
"""How long a process may live on after it has closed its channel."""
TICK_S = 0.1
"""How often the time of a part is looked at, whether it sends messages or not."""
SHOWN = 300
AT_ONCE = 64 << 10
"""Bytes of a message that are sent at a time."""
LARGEST_FRAME = LARGEST_OUTPUT = 64 << 20
"""Bytes of a frame, and of all pieces of an output: what the judge has to hold."""

PIECE = 64
"""Bytes that holding a piece takes beside its own."""

FORGED = (ValueError, TypeError, IndexError, KeyError, StopIteration)
"""What reading raises where the frames are not those of `sample`."""

Result = dict[str, Any]


Main = Callable[[dict[str, Any], sample.Reporter, int, str, tuple[int, ...]], None]
"""The whole life of the process: what to run, where to report, as which user, in which folder, with which pipes."""


class Part:
    """A forked process, waiting for `go`. Its frames are read with `next`; `end` must be called once."""

    def __init__(
        self, part: dict[str, Any], uid: int, workdir: str, links: tuple[int, ...] = (), main: Main = sample.main
    ):
        self.part, self.uid = part, uid
        self.timed_out = self.ended = False
        self.waited_s = 0.0
        out_read, out_write = os.pipe()
        control_read, control_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                part["limits"] = wire.read_job(control_read)
                part["inputs"] = wire.loads(part["inputs"])
                main(part, sample.Reporter(out_write, control_read), uid, workdir, links)
            finally:
                os._exit(70)
        os.close(out_write)
        os.close(control_read)
        self.out, self.control = out_read, control_write
        self.frames = wire.FrameReader(out_read, LARGEST_FRAME)
        self.watch = Stopwatch(self.pid)
        self.total_s, self.next_look = 0.0, 0.0
        self.needs: list[Part] = [self]
        """Parts that must live for this one to go on."""

    def go(self, limits: list[float], total_s: float) -> None:
        """Starts the part. `limits`: seconds per call; `total_s`: for the whole part, after which it is killed."""
        self.total_s = total_s
        self.watch.restart()
        wire.write_all(self.control, wire.pack_job(limits))
        os.set_blocking(self.control, False)

    def next(self) -> tuple[bytes, bytes] | None:
        """The next frame, or None at the end of the process or of its time; then all of its user's are killed."""
        while True:
            try:
                frame = self.frames.next(TICK_S)
            except wire.Closed:
                return None
            if self._time_is_over():
                return None
            if frame is not None:
                return frame
            for part in self.needs:
                if part.is_gone():
                    clean.kill_all(part.uid)  # processes that it has left and that hold its channels open

    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def tell(self, message: bytes) -> None:
        """Sends a message, of any length, to a process that may not be reading, or may have ended; `next` says so."""
        view = memoryview(message)
        with contextlib.suppress(BrokenPipeError):
            while view and not self._time_is_over():
                if select.select([], [self.control], [], TICK_S)[1]:
                    view = view[os.write(self.control, view[:AT_ONCE]) :]

    def _time_is_over(self) -> bool:
        """Looks, once a tick, whether the time of the part is used up; if so, all of its user's are killed."""
        if self.timed_out or time.monotonic() < self.next_look:
            return self.timed_out
        self.next_look = time.monotonic() + TICK_S
        crowded = clock.cpu_seconds() > clock.CPU_FACTOR * self.total_s
        backstop = self.watch.wall_s() > clock.WALL_FACTOR * self.total_s + clock.WALL_EXTRA_S
        if self.watch.elapsed_s() > self.total_s or crowded or backstop:
            self.timed_out = True
            self.waited_s = clock.waited_seconds()
            clean.kill_all(self.uid)
        return self.timed_out

    def reached_end(self, frame: tuple[bytes, bytes] | None) -> bool:
        """Whether the end was reached: the process says so, is given a secret only then, and knows it."""
        if frame != (b"q", b""):
            return False
        token = os.urandom(16)
        self.tell(token)
        return self.next() == (b"p", token)

    def chunks(self) -> list[bytes]:
        """The pieces of a large output that was asked for. Raises ValueError if they break off or are too many."""
        pieces: list[bytes] = []
        size = 0
        while (frame := self.next()) is not None and frame[0] == b"c":
            pieces.append(frame[1])
            size += len(frame[1]) + PIECE
            if size > LARGEST_OUTPUT:
                raise ValueError("an output too large to be compared")
        if frame is None or frame[0] != b"z":
            raise ValueError("the output broke off")
        return pieces

    def end(self, status: str = "", detail: str = "") -> Result:
        """Ends the process and says what it used. Without a status, the reason is how the process ended by itself."""
        wall_s, waited_s = self.watch.wall_s(), self.watch.wall_s() - self.watch.elapsed_s()
        if status or not self._ends_by_itself():
            os.kill(self.pid, signal.SIGKILL)
        _, code, used = os.wait4(self.pid, 0)
        self.ended = True
        os.close(self.out)
        os.close(self.control)
        self.watch.close()
        if not status:
            status, detail = self._reason(code, used.ru_maxrss >> 10)
        return {
            "status": status,
            "detail": detail,
            "cpu_s": used.ru_utime + used.ru_stime,
            "wall_s": wall_s,
            "peak_mb": used.ru_maxrss / 1024,
            "waited_s": self.waited_s or waited_s,
        }

    def _ends_by_itself(self) -> bool:
        """Whether the process, which has closed its channel, is gone, or will be at once."""
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], FAREWELL_S)[0])
        finally:
            os.close(descriptor)

    def _reason(self, code: int, peak_mb: int) -> tuple[str, str]:
        if self.timed_out:
            return "timeout", "the time for the whole program was used up"
        if os.WIFSIGNALED(code):
            name = signal_name(code)
            if name == "SIGKILL" and peak_mb > self.part["memory_mb"] / 2:
                return "memory", "killed: out of memory"
            return "error", f"ended by {name} before its checks ended"
        if os.WEXITSTATUS(code) == 0:
            return "tampered", "left with success before its checks ended"
        return "error", f"exited with code {os.WEXITSTATUS(code)} before its checks ended"


def ended(part: Part, frame: tuple[bytes, bytes] | None) -> Result:
    """Ends a part that sent, instead of an output, `frame`."""
    if frame is None:
        return part.end()
    if frame[0] == b"e":
        status, _, detail = told(frame[1]).partition(":")
        if status in ("timeout", "memory", "failed", "error", "tampered"):
            return part.end(status, detail)
    return part.end("tampered", f"sent a message of kind {frame[0]!r} where none belongs")


def told(text: bytes) -> str:
    """What a process says of itself, without anything that a terminal would obey, and not too much of it."""
    return "".join(each if each.isprintable() else " " for each in text[:SHOWN].decode(errors="replace"))
