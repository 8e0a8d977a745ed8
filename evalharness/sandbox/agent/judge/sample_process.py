"""The judge's handle of a sample's process, which is forked first, runs the sample's code later, and sends messages."""

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
from ..shared.messages import JobPartResult
from ..shared.outcome import PASSED, Outcome
from ..shared.signals import signal_name
from . import cleaning
from .isolation import namespaces

EXIT_GRACE_S = 1.0
"""Seconds that a sample's process may continue after it has closed its pipe to the judge."""
CHECK_INTERVAL_S = 0.1
"""Seconds between checks of a process's time limit."""
MAX_DETAIL_CHARACTERS = 300
"""Most characters of an outcome's detail."""
WRITE_SIZE = 64 << 10
"""Bytes of a message that are sent at a time."""
MAX_FRAME_BYTES = MAX_OUTPUT_BYTES = 64 << 20
"""Most bytes of a message, and of all pieces of an output, which the judge has to hold."""
PIECE_OVERHEAD = 64
"""Bytes of memory that a stored piece needs in addition to its content."""

FORGED_MESSAGE_ERRORS = (ValueError, TypeError, IndexError, KeyError, StopIteration)
"""Exceptions that reading a sample's messages raises if its process has been modified to send other ones."""
REPORTABLE_STATUSES = ("timeout", "memory", "failed", "error", "tampered")
"""The statuses that a sample's process may report of itself."""


class RunningCall(NamedTuple):
    """A sample's running call: its number, and the elapsed and CPU time of the sample's process when the call began."""

    number: int
    elapsed_s: float
    cpu_s: float


class SampleProcess:
    """A forked process that runs a sample for one part of a job, such as the calls on one group of inputs.

    The sample's code starts only when `start_sample` is called. `next_message` returns what the process sends. One of
    the methods that end the process (`end_process`, `end_after_message`, `run_to_end` ...) must be called exactly once.
    """

    def __init__(self, work: SampleWork, uid: int, workdir: str, pipes: tuple[int, ...] = ()):
        self.work, self.uid = work, uid
        self.timed_out = self.ended = False
        self.waited_s = 0.0
        self.result: JobPartResult | None = None
        out_read, out_write = os.pipe()
        control_read, control_write = os.pipe()
        ready, is_ready = os.pipe()
        self.pid, self.init_pid = namespaces.fork()
        if self.pid == 0:
            try:
                if namespaces.isolates_forks:
                    namespaces.enter_sample_namespaces()
                    namespaces.mount_writable_folders()
                    workdir = cleaning.make_workdir(uid)
                os.close(is_ready)
                limits, text = wire.read_message(control_read)
                work.prepare(text)
                running.run_sample_process(work, limits, Reporter(out_write, control_read), uid, workdir, pipes)
            finally:
                os._exit(70)
        for fd in (out_write, control_read, is_ready):
            os.close(fd)
        if namespaces.isolates_forks:
            os.read(ready, 1)  # until it is in its namespaces, and has closed the pipe
        os.close(ready)
        self.out, self.control = out_read, control_write
        self.frames = wire.FrameReader(out_read, MAX_FRAME_BYTES)
        self.watch = Stopwatch(self.pid)
        self.total_s, self.next_check = 0.0, 0.0
        self.meter = clock.JobCpuMeter()
        self.call_s: float | None = None
        """The time limit of each call, whose end is a frame; None where calls have none, or only the program's own."""
        self.frame_count, self.call = 0, RunningCall(0, 0.0, 0.0)
        self.required_processes: list[SampleProcess] = [self]
        """Processes that must live for this one to continue."""

    def start_sample(self, time_limits_s: list[float], total_limit_s: float, source_with_checks: str = "") -> None:
        """Starts the sample's code in the process.

        `time_limits_s`: limits in seconds, one per call, or one for the whole program; `total_limit_s`: seconds after
        which the process is killed; `source_with_checks`: the program to run, which the process receives only now;
        empty if it already has the sample's source.
        """
        self.total_s = total_limit_s
        self.watch.restart()
        self.meter = clock.JobCpuMeter()
        wire.write_all(self.control, wire.pack_message((time_limits_s, source_with_checks)))
        os.set_blocking(self.control, False)

    def next_message(self) -> wire.Frame | None:
        """Returns the process's next message (kind, payload); None if the process has ended or exceeded its time limit.

        At the time limit, kills all processes of the sample's user. Raises ValueError for a message that is too long
        (wire.ValueTooLarge if it contains a value, which an unmodified process may send).
        """
        while True:
            try:
                frame = self.frames.next_message(CHECK_INTERVAL_S)
            except wire.StreamClosed:
                return None
            if self._kill_if_over_time_limit():
                return None
            if frame is not None:
                self.frame_count += 1
                return frame
            for process in self.required_processes:
                if process.has_exited():
                    cleaning.kill_user_processes(process.uid)  # its descendants, which hold its channels open

    def has_exited(self) -> bool:
        """Returns whether the sample's process has ended."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def send(self, message: bytes) -> None:
        """Sends a message of any length to the process; stops if the process ends or exceeds its time limit."""
        view = memoryview(message)
        with contextlib.suppress(BrokenPipeError):
            while view and not self._kill_if_over_time_limit():
                if select.select([], [self.control], [], CHECK_INTERVAL_S)[1]:
                    view = view[os.write(self.control, view[:WRITE_SIZE]) :]

    def _kill_if_over_time_limit(self) -> bool:
        """Kills the sample's processes if the time limit is exceeded; returns whether it is exceeded.

        Reads the clocks at most once per `CHECK_INTERVAL_S`.
        """
        if self.timed_out or time.monotonic() < self.next_check:
            return self.timed_out
        self.next_check = time.monotonic() + CHECK_INTERVAL_S
        elapsed_s, cpu_s = self.watch.elapsed_s(), self.meter.used_s()
        wall_is_over = self.watch.wall_s() > clock.WALL_FACTOR * self.total_s
        whole_is_over = elapsed_s > self.total_s or cpu_s > clock.CPU_FACTOR * self.total_s or wall_is_over
        if whole_is_over or self._call_exceeds_limit(elapsed_s, cpu_s):
            self.timed_out = True
            self.waited_s = clock.core_wait_seconds()
            cleaning.kill_user_processes(self.uid)
        return self.timed_out

    def _call_exceeds_limit(self, elapsed_s: float, cpu_s: float) -> bool:
        """Returns whether the running call has exceeded its time limit.

        `elapsed_s` and `cpu_s` are the process's elapsed and CPU time so far, in seconds.
        """
        if self.frame_count != self.call.number:
            self.call = RunningCall(self.frame_count, elapsed_s, cpu_s)
        if self.call_s is None:
            return False
        return elapsed_s - self.call.elapsed_s > self.call_s or cpu_s - self.call.cpu_s > clock.CPU_FACTOR * self.call_s

    def has_reached_end(self, last_frame: wire.Frame | None) -> bool:
        """Returns whether the program has run to its end, which its process announces by the message `last_frame`.

        Sends the process a secret, which an unmodified process sends back only after its program's last statement.
        """
        if last_frame != (b"q", b""):
            return False
        token = os.urandom(16)
        self.send(token)
        return self.next_message() == (b"p", token)

    def receive_output_pieces(self) -> list[bytes]:
        """Receives a large output that the judge has requested; returns it in encoded pieces.

        See `shared.outputs.encode_in_pieces`. Raises ValueError if pieces are missing or together too large.
        """
        pieces: list[bytes] = []
        size = 0
        while (frame := self.next_message()) is not None and frame[0] == b"c":
            pieces.append(frame[1])
            size += len(frame[1]) + PIECE_OVERHEAD
            if size > MAX_OUTPUT_BYTES:
                raise ValueError(f"an output has more than {MAX_OUTPUT_BYTES >> 20} MiB, too much to be compared")
        if frame is None or frame[0] != b"z":
            raise ValueError("the sample's process sent only a part of a large output")
        return pieces

    def result_or_tampered(self, read_result: Callable[[], JobPartResult]) -> JobPartResult:
        """Returns the result of `read_result`, which reads the process's messages; `tampered` if one is malformed."""
        try:
            return read_result()
        except FORGED_MESSAGE_ERRORS as error:
            status, detail = outcome_of_forged_message(error)
            if self.result is None:
                return self.end_process(Outcome(status, detail))
            return JobPartResult(**{**self.result, "status": status, "detail": detail})

    def run_to_end(self, limit_s: float, source: str) -> JobPartResult:
        """Runs the program `source` to its end within `limit_s` seconds; returns its result.

        The program contains its checks, and sends no outputs to the judge.
        """

        def start_and_finish() -> JobPartResult:
            self.start_sample([limit_s], limit_s + 1, source)
            return self.end_after_message(self.next_message())

        return self.result_or_tampered(start_and_finish)

    def end_after_message(self, last_frame: wire.Frame | None) -> JobPartResult:
        """Ends the process after its last message, `last_frame` (None if it has closed its pipe); returns its result.

        The status is `passed` if the process has reached its end (see `has_reached_end`).
        """
        return self.end_process(PASSED) if self.has_reached_end(last_frame) else self.end_without_output(last_frame)

    def end_without_output(self, last_frame: wire.Frame | None) -> JobPartResult:
        """Ends a process that sent `last_frame`, or nothing (None), instead of an output; returns its result.

        The status is never `passed`.
        """
        if last_frame is None:
            return self.end_process()
        if last_frame[0] == b"e":
            outcome = Outcome.unpack(last_frame[1])
            if outcome.status in REPORTABLE_STATUSES:
                return self.end_process(Outcome(outcome.status, printable_text(outcome.detail)))
        return self.end_process(
            Outcome("tampered", f"the program sent a message of kind {last_frame[0]!r}, which is not expected here")
        )

    def end_process(self, outcome: Outcome | None = None) -> JobPartResult:
        """Ends the process; returns its outcome and used resources.

        Without an `outcome`, waits for the process to exit, and takes the outcome from how it exits.
        """
        wall_s, waited_s = self.watch.wall_s(), self.watch.wall_s() - self.watch.elapsed_s()
        if outcome or not self._exits_by_itself():
            os.kill(self.pid, signal.SIGKILL)
        _, code, usage = os.wait4(self.pid, 0)
        namespaces.end_namespace(self.init_pid)
        self.ended = True
        os.close(self.out)
        os.close(self.control)
        self.watch.close()
        status, detail = outcome or self._outcome_of_exit(code, usage.ru_maxrss >> 10)
        self.result = JobPartResult(
            status=status,
            detail=detail,
            cpu_s=max(usage.ru_utime + usage.ru_stime, self.meter.used_s()),
            wall_s=wall_s,
            peak_mb=usage.ru_maxrss / 1024,
            waited_s=self.waited_s or waited_s,
        )
        return self.result

    def end_without_result(self) -> None:
        """Ends the sample's process, whose result is not needed."""
        self.end_process(PASSED)

    def _exits_by_itself(self) -> bool:
        """Returns whether the process, which has closed its pipe to the judge, exits within `EXIT_GRACE_S` seconds."""
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], EXIT_GRACE_S)[0])
        finally:
            os.close(descriptor)

    def _outcome_of_exit(self, wait_status: int, peak_mb: int) -> Outcome:
        if self.timed_out:
            return Outcome("timeout", "the program, or one of its calls, exceeded its time limit")
        if os.WIFSIGNALED(wait_status):
            name = signal_name(wait_status)
            if name == "SIGKILL" and peak_mb > self.work.memory_mb / 2:
                return Outcome("memory", "killed: the program exceeded the memory limit")
            return Outcome("error", f"the program was ended by {name} before its tests ended")
        if os.WEXITSTATUS(wait_status) == 0:
            return Outcome("tampered", "the program exited with success before its tests ended")
        return Outcome("error", f"the program exited with code {os.WEXITSTATUS(wait_status)} before its tests ended")


def outcome_of_forged_message(error: Exception) -> Outcome:
    """Returns the outcome `tampered` for a process whose message could not be read because of `error`."""
    return Outcome("tampered", f"the program sent forged messages: {type(error).__name__} {error}")


def printable_text(text: str) -> str:
    """Returns the first characters of a sample's text, for use in a message, with control characters as spaces."""
    return "".join(character if character.isprintable() else " " for character in text[:MAX_DETAIL_CHARACTERS])
