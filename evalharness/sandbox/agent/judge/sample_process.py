"""A sample's process as the judge sees it: forked at once, started later, read message by message."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from ..sample import running
from ..sample.reporter import Reporter
from ..sample.running import SampleWork
from ..shared import clock, wire
from ..shared.clock import Stopwatch
from ..shared.messages import PartResult
from ..shared.outcome import PASSED, Outcome
from ..shared.signals import signal_name
from . import cleaning
from .isolation import namespaces

FAREWELL_S = 1.0
"""Seconds that a sample's process may live after it has closed its channel."""
TICK_S = 0.1
"""Seconds between checks of a process's time limit."""
SHOWN = 300
"""Most characters of an outcome's detail."""
WRITE_SIZE = 64 << 10
"""Bytes of a message that are sent at a time."""
LARGEST_FRAME = LARGEST_OUTPUT = 64 << 20
"""Most bytes of a message, and of all pieces of an output, which the judge has to hold."""
PIECE_OVERHEAD = 64
"""Bytes that holding a piece takes besides its own."""

FORGED = (ValueError, TypeError, IndexError, KeyError, StopIteration)
"""Exceptions that reading a sample's messages raises if its process does not send the honest ones."""
REPORTED = ("timeout", "memory", "failed", "error", "tampered")
"""The statuses that a sample's process may report of itself."""


class RunningCall(NamedTuple):
    """The call that a sample's process is running: its index, and elapsed and CPU time of the process when it began."""

    number: int
    elapsed_s: float
    cpu_s: float


class SampleProcess:
    """A forked process that runs a part of a sample; its code waits for `start_sample`.

    `next_message` reads what it sends. `end` or `finish` must be called once.
    """

    def __init__(self, work: SampleWork, uid: int, folder: str, pipes: tuple[int, ...] = ()):
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
                    namespaces.enter_sample_namespaces()
                    namespaces.mount_writable_folders()
                    folder = cleaning.make_workdir(uid)
                os.close(is_ready)
                limits, text = wire.read_message(control_read)
                work.prepare(text)
                running.run_sample_process(work, limits, Reporter(out_write, control_read), uid, folder, pipes)
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
        self.frame_count, self.call = 0, RunningCall(0, 0.0, 0.0)
        self.needs: list[SampleProcess] = [self]
        """Processes that must live for this one to continue."""

    def start_sample(self, limits: list[float], total_s: float, text: str = "") -> None:
        """Lets the process start the sample's code.

        `limits`: seconds per call; `total_s`: seconds after which the process is killed; `text`: what only the sample's
        code may see, such as its checks, and the process did not have before.
        """
        self.total_s = total_s
        self.watch.restart()
        self.meter = clock.JobMeter()
        wire.write_all(self.control, wire.pack_message((limits, text)))
        os.set_blocking(self.control, False)

    def next_message(self) -> tuple[bytes, bytes] | None:
        """Returns the process's next message (kind, payload); None after it has ended or exceeded its time limit.

        When its time is over, all processes of its user are killed.

        Raises ValueError for a frame that is too long (wire.TooLarge if it may be an honest value).
        """
        while True:
            try:
                frame = self.frames.next_message(TICK_S)
            except wire.StreamClosed:
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
        """Returns whether the sample's process has ended."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def send(self, message: bytes) -> None:
        """Sends a message of any length to the process. Gives up when it ends or exceeds its time limit."""
        view = memoryview(message)
        with contextlib.suppress(BrokenPipeError):
            while view and not self._time_is_over():
                if select.select([], [self.control], [], TICK_S)[1]:
                    view = view[os.write(self.control, view[:WRITE_SIZE]) :]

    def _time_is_over(self) -> bool:
        """Returns whether the time limit is exceeded, checked once per tick; if so, kills the user's processes."""
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
        """Returns whether the running call has exceeded its time limit."""
        if self.frame_count != self.call.number:
            self.call = RunningCall(self.frame_count, elapsed_s, cpu_s)
        if self.call_s is None:
            return False
        return elapsed_s - self.call.elapsed_s > self.call_s or cpu_s - self.call.cpu_s > clock.CPU_FACTOR * self.call_s

    def reached_end(self, frame: tuple[bytes, bytes] | None) -> bool:
        """Returns whether the message `frame` proves that the process reached its end.

        It does if it contains a secret that the judge sends only then.
        """
        if frame != (b"q", b""):
            return False
        token = os.urandom(16)
        self.send(token)
        return self.next_message() == (b"p", token)

    def pieces(self) -> list[bytes]:
        """Returns a large output that the judge has requested, encoded in pieces (see `shared.outputs.pieces_of`).

        Raises ValueError if the pieces are incomplete or too large.
        """
        pieces: list[bytes] = []
        size = 0
        while (frame := self.next_message()) is not None and frame[0] == b"c":
            pieces.append(frame[1])
            size += len(frame[1]) + PIECE_OVERHEAD
            if size > LARGEST_OUTPUT:
                raise ValueError("an output exceeds the size limit for comparisons")
        if frame is None or frame[0] != b"z":
            raise ValueError("the pieces of the output are incomplete")
        return pieces

    def judged(self, judge: Callable[[], PartResult]) -> PartResult:
        """Returns the result of `judge()`, which reads the process's messages; `tampered` if a message is malformed."""
        try:
            return judge()
        except FORGED as error:
            status, detail = outcome_of_forged_message(error)
            if self.result is None:
                return self.end(Outcome(status, detail))
            return PartResult(**{**self.result, "status": status, "detail": detail})

    def run_to_end(self, limit_s: float, text: str) -> PartResult:
        """Runs a program that sends no outputs to its end; returns its result. `text` is the program's source."""

        def judge() -> PartResult:
            self.start_sample([limit_s], limit_s + 1, text)
            return self.finish(self.next_message())

        return self.judged(judge)

    def finish(self, frame: tuple[bytes, bytes] | None) -> PartResult:
        """Ends the process after its last message `frame`; returns its result.

        It has passed if the message proves that it reached its end (see `reached_end`).
        """
        return self.end(PASSED) if self.reached_end(frame) else self.finish_early(frame)

    def finish_early(self, frame: tuple[bytes, bytes] | None) -> PartResult:
        """Ends the process, which sent `frame` in place of an output; returns its result, which is never `passed`."""
        if frame is None:
            return self.end()
        if frame[0] == b"e":
            outcome = Outcome.unpack(frame[1])
            if outcome.status in REPORTED:
                return self.end(Outcome(outcome.status, printable(outcome.detail)))
        return self.end(Outcome("tampered", f"sent a frame of kind {frame[0]!r} where none is expected"))

    def end(self, outcome: Outcome | None = None) -> PartResult:
        """Ends the process; returns its outcome and used resources. Without an `outcome`, its exit decides."""
        wall_s, waited_s = self.watch.wall_s(), self.watch.wall_s() - self.watch.elapsed_s()
        if outcome or not self._ends_by_itself():
            os.kill(self.pid, signal.SIGKILL)
        _, code, usage = os.wait4(self.pid, 0)
        namespaces.end_namespace(self.init)
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
        """Ends the sample's process without computing a result."""
        self.end(PASSED)

    def _ends_by_itself(self) -> bool:
        """Returns whether the process, which has closed its channel, exits within `FAREWELL_S`."""
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], FAREWELL_S)[0])
        finally:
            os.close(descriptor)

    def _outcome_of(self, code: int, peak_mb: int) -> Outcome:
        if self.timed_out:
            return Outcome("timeout", "the program, or one of its calls, exceeded its time limit")
        if os.WIFSIGNALED(code):
            name = signal_name(code)
            if name == "SIGKILL" and peak_mb > self.work.memory_mb / 2:
                return Outcome("memory", "killed: it exceeded the memory limit")
            return Outcome("error", f"ended by {name} before its checks ended")
        if os.WEXITSTATUS(code) == 0:
            return Outcome("tampered", "exited with success before its checks ended")
        return Outcome("error", f"exited with code {os.WEXITSTATUS(code)} before its checks ended")


def outcome_of_forged_message(error: Exception) -> Outcome:
    """Returns the outcome `tampered` of a process whose message could not be read because of this error."""
    return Outcome("tampered", f"sent forged messages: {type(error).__name__} {error}")


def printable(text: str) -> str:
    """Returns at most `SHOWN` characters of a sample's text, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text[:SHOWN])
