"""A process that runs a part of a sample's program, as the judge sees it: forked at once, started later."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from ..sample import running
from ..sample.reporter import Reporter
from ..sample.running import Work
from ..shared import clock, wire
from ..shared.clock import Stopwatch
from ..shared.messages import PartResult
from ..shared.outcome import PASSED, Outcome
from ..shared.signals import signal_name
from . import cleaning
from .isolation import namespaces

FAREWELL_S = 1.0
"""Seconds that a process may live after it has closed its channel."""
TICK_S = 0.1
"""Seconds between checks of a process's time, whether it sends frames or not."""
SHOWN = 300
"""The most characters of a detail."""
WRITE_SIZE = 64 << 10
"""Bytes of a message that are sent at a time."""
LARGEST_FRAME = LARGEST_OUTPUT = 64 << 20
"""Bytes of a frame, and of all pieces of an output, which the judge has to hold."""
PIECE_OVERHEAD = 64
"""Bytes that holding a piece takes besides its own."""

FORGED = (ValueError, TypeError, IndexError, KeyError, StopIteration)
"""What reading frames raises if they are not those of `sample/`."""
REPORTED = ("timeout", "memory", "failed", "error", "tampered")
"""The statuses that a process may report of itself."""


class Call(NamedTuple):
    """The number of a call, and the process's time when the judge noticed its begin."""

    number: int
    elapsed_s: float
    cpu_s: float


class SampleProcess:
    """A forked process that waits for `go`. `next` reads its frames; `end` or `finish` must be called once."""

    def __init__(self, work: Work, uid: int, folder: str, pipes: tuple[int, ...] = ()):
        self.work, self.uid = work, uid
        self.timed_out = self.ended = False
        self.waited_s = 0.0
        self.result: PartResult | None = None
        out_read, out_write = os.pipe()
        control_read, control_write = os.pipe()
        ready, is_ready = os.pipe()
        self.pid, self.init = namespaces.fork()
        if self.pid == 0:
            try:
                if namespaces.isolated:
                    namespaces.enter()
                    namespaces.mount_files()
                    folder = cleaning.make_workdir(uid)
                os.close(is_ready)
                limits, text = wire.read_message(control_read)
                work.prepare(text)
                running.main(work, limits, Reporter(out_write, control_read), uid, folder, pipes)
            finally:
                os._exit(70)
        for fd in (out_write, control_read, is_ready):
            os.close(fd)
        if namespaces.isolated:
            os.read(ready, 1)  # until it is in its namespaces, and has closed the pipe
        os.close(ready)
        self.out, self.control = out_read, control_write
        self.frames = wire.FrameReader(out_read, LARGEST_FRAME)
        self.watch = Stopwatch(self.pid)
        self.total_s, self.next_check = 0.0, 0.0
        self.meter = clock.JobMeter()
        self.call_s: float | None = None
        """The time limit of each call, whose end is a frame; None where calls have none, or only the program's own."""
        self.frame_count, self.call = 0, Call(0, 0.0, 0.0)
        self.needs: list[SampleProcess] = [self]
        """Processes that must live for this one to continue."""

    def go(self, limits: list[float], total_s: float, text: str = "") -> None:
        """Starts the work.

        `limits`: seconds per call; `total_s`: seconds after which the process is killed; `text`: what the process must
        not have before it starts.
        """
        self.total_s = total_s
        self.watch.restart()
        self.meter = clock.JobMeter()
        wire.write_all(self.control, wire.pack_message((limits, text)))
        os.set_blocking(self.control, False)

    def next(self) -> tuple[bytes, bytes] | None:
        """Returns the next frame; None after the process ended or its time is over.

        When its time is over, all processes of its user are killed.

        Raises ValueError for a frame that is too long (wire.TooLarge if it may be an honest value).
        """
        while True:
            try:
                frame = self.frames.next(TICK_S)
            except wire.Closed:
                return None
            if self._time_is_over():
                return None
            if frame is not None:
                self.frame_count += 1
                return frame
            for process in self.needs:
                if process.is_gone():
                    cleaning.kill_all(process.uid)  # its descendants, which hold its channels open

    def is_gone(self) -> bool:
        """Returns whether the process has ended."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def send(self, message: bytes) -> None:
        """Sends a message of any length. Gives up when the process ends or its time is over, as `next` then reports."""
        view = memoryview(message)
        with contextlib.suppress(BrokenPipeError):
            while view and not self._time_is_over():
                if select.select([], [self.control], [], TICK_S)[1]:
                    view = view[os.write(self.control, view[:WRITE_SIZE]) :]

    def _time_is_over(self) -> bool:
        """Returns whether the time is used up, checked once per tick; if so, all processes of the user are killed."""
        if self.timed_out or time.monotonic() < self.next_check:
            return self.timed_out
        self.next_check = time.monotonic() + TICK_S
        elapsed_s, cpu_s = self.watch.elapsed_s(), self.meter.used_s()
        wall_is_over = self.watch.wall_s() > clock.WALL_FACTOR * self.total_s
        whole_is_over = elapsed_s > self.total_s or cpu_s > clock.CPU_FACTOR * self.total_s or wall_is_over
        if whole_is_over or self._call_is_over(elapsed_s, cpu_s):
            self.timed_out = True
            self.waited_s = clock.waited_seconds()
            cleaning.kill_all(self.uid)
        return self.timed_out

    def _call_is_over(self, elapsed_s: float, cpu_s: float) -> bool:
        if self.frame_count != self.call.number:
            self.call = Call(self.frame_count, elapsed_s, cpu_s)
        if self.call_s is None:
            return False
        return elapsed_s - self.call.elapsed_s > self.call_s or cpu_s - self.call.cpu_s > clock.CPU_FACTOR * self.call_s

    def reached_end(self, frame: tuple[bytes, bytes] | None) -> bool:
        """Returns whether the process reports its end by `frame` and returns the secret that it receives only then."""
        if frame != (b"q", b""):
            return False
        token = os.urandom(16)
        self.send(token)
        return self.next() == (b"p", token)

    def pieces(self) -> list[bytes]:
        """Returns the pieces of a large output that was asked for.

        Raises ValueError if they are incomplete or too many.
        """
        pieces: list[bytes] = []
        size = 0
        while (frame := self.next()) is not None and frame[0] == b"c":
            pieces.append(frame[1])
            size += len(frame[1]) + PIECE_OVERHEAD
            if size > LARGEST_OUTPUT:
                raise ValueError("an output too large to be compared")
        if frame is None or frame[0] != b"z":
            raise ValueError("the output is incomplete")
        return pieces

    def judged(self, judge: Callable[[], PartResult]) -> PartResult:
        """Returns the result of `judge`, which reads the frames; `tampered` if they are forged."""
        try:
            return judge()
        except FORGED as error:
            status, detail = forged(error)
            if self.result is None:
                return self.end(Outcome(status, detail))
            return PartResult(**{**self.result, "status": status, "detail": detail})

    def run_to_end(self, limit_s: float, text: str) -> PartResult:
        """Runs a work without outputs to its end; `text` is its program."""

        def judge() -> PartResult:
            self.go([limit_s], limit_s + 1, text)
            return self.finish(self.next())

        return self.judged(judge)

    def finish(self, frame: tuple[bytes, bytes] | None) -> PartResult:
        """Ends the process, which sent `frame` after its last output. It passed if the frame proves its end."""
        return self.end(PASSED) if self.reached_end(frame) else self.finish_early(frame)

    def finish_early(self, frame: tuple[bytes, bytes] | None) -> PartResult:
        """Ends the process, which sent `frame` instead of an output. It never passes."""
        if frame is None:
            return self.end()
        if frame[0] == b"e":
            outcome = Outcome.unpack(frame[1])
            if outcome.status in REPORTED:
                return self.end(Outcome(outcome.status, printable(outcome.detail)))
        return self.end(Outcome("tampered", f"sent a frame of kind {frame[0]!r} where none is expected"))

    def end(self, outcome: Outcome | None = None) -> PartResult:
        """Ends the process and returns what it used. By default its own end decides the outcome."""
        wall_s, waited_s = self.watch.wall_s(), self.watch.wall_s() - self.watch.elapsed_s()
        if outcome or not self._ends_by_itself():
            os.kill(self.pid, signal.SIGKILL)
        _, code, usage = os.wait4(self.pid, 0)
        namespaces.close(self.init)
        self.ended = True
        os.close(self.out)
        os.close(self.control)
        self.watch.close()
        status, detail = outcome or self._outcome_of(code, usage.ru_maxrss >> 10)
        self.result = PartResult(
            status=status,
            detail=detail,
            cpu_s=max(usage.ru_utime + usage.ru_stime, self.meter.used_s()),
            wall_s=wall_s,
            peak_mb=usage.ru_maxrss / 1024,
            waited_s=self.waited_s or waited_s,
        )
        return self.result

    def stop(self) -> None:
        """Ends the process, whose outcome does not matter."""
        self.end(PASSED)

    def _ends_by_itself(self) -> bool:
        """Returns whether the process, which has closed its channel, ends within `FAREWELL_S`."""
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], FAREWELL_S)[0])
        finally:
            os.close(descriptor)

    def _outcome_of(self, code: int, peak_mb: int) -> Outcome:
        if self.timed_out:
            return Outcome("timeout", "the time for the program, or for a call, was used up")
        if os.WIFSIGNALED(code):
            name = signal_name(code)
            if name == "SIGKILL" and peak_mb > self.work.memory_mb / 2:
                return Outcome("memory", "killed: out of memory")
            return Outcome("error", f"ended by {name} before its checks ended")
        if os.WEXITSTATUS(code) == 0:
            return Outcome("tampered", "left with success before its checks ended")
        return Outcome("error", f"exited with code {os.WEXITSTATUS(code)} before its checks ended")


def forged(error: Exception) -> Outcome:
    """Returns the outcome of a process whose frames raise this error when they are read."""
    return Outcome("tampered", f"sent forged messages: {type(error).__name__} {error}")


def printable(text: str) -> str:
    """Returns at most `SHOWN` characters of a text of the sample, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text[:SHOWN])
