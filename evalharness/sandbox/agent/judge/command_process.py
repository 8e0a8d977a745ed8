"""Runs a command (compiler, program) as the sample's user, with a time limit, and keeps its output."""

import contextlib
import os
import select
import signal
import time
from typing import Any

from ..sample.confinement import confine
from ..shared import clock
from ..shared.messages import Usage
from ..shared.outcome import PASSED, Outcome
from ..shared.signals import signal_name
from . import cleaning
from .file_watch import FileWatch
from .isolation import namespaces
from .program_source import ProgramSource

KEPT = 32 << 10
"""Bytes that are kept of each output stream's beginning, and of its end."""
SHOWN = 300
"""Most characters of a message."""
TICK_S = 0.1
"""Seconds between checks of the time limit."""


def time_limit_message(limit_s: float) -> str:
    """Returns the message of a step that exceeded its time limit."""
    return f"the step exceeded its time limit of {limit_s:g} s"


def outcome_of_exit(code: int, message: bytes) -> Outcome:
    """Returns the outcome of a command that exited with this code and printed this message."""
    return Outcome("failed", f"exit code {code}: {end_of_message(message)}") if code else PASSED


def end_of_message(data: bytes) -> str:
    """Returns the end of what a command printed, as one line of an error message."""
    text = "".join(character if character.isprintable() else " " for character in data.decode(errors="replace"))
    return " ".join(text.split())[-SHOWN:]


class OutputStream:
    """Reads an output stream (stdout or stderr) of a command, and keeps only the beginning and the end of it."""

    def __init__(self, fd: int):
        self.fd, self.head, self.tail = fd, b"", b""
        os.set_blocking(fd, False)

    def read(self) -> bool:
        """Reads what is available from the command. Returns False at the end of the stream."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return True
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail = (self.tail + data[room:])[-KEPT:]
        return bool(data)

    def drain(self) -> None:
        """Reads what is left in the pipe after the command has ended.

        Reads at most as much as a pipe holds, because another process may still be writing.
        """
        for _ in range(32):
            ready = select.select([self.fd], [], [], 0)[0]
            if not ready or not self.read():
                break

    def kept_output(self) -> bytes:
        """Returns the kept beginning and end of the output."""
        return self.head + self.tail


class RunningCommand:
    """A running command (compiler or program). Its output is always read, so that it never blocks on a full pipe."""

    def __init__(
        self,
        command: list[str],
        uid: int,
        folder: str,
        watch: FileWatch | None = None,
        source: ProgramSource | None = None,
    ):
        self.uid, self.watch, self.source = uid, watch, source
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        gate, open_gate = os.pipe()
        ready, is_ready = os.pipe()
        self.started = time.monotonic()
        self.pid, self.init = namespaces.fork()
        if self.pid == 0:
            try:
                if namespaces.isolated:
                    namespaces.enter_sample_namespaces()
                os.write(is_ready, b"!")
                os.read(gate, 1)  # until the process is watched
                os.dup2(out_write, 1)
                os.dup2(err_write, 2)
                confine(uid, folder, None, limit_stack=False, keep=(1, 2))
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        for fd in (out_write, err_write, gate, is_ready):
            os.close(fd)
        if watch and os.read(ready, 1):
            number, proc = namespaces.pid_and_proc_of(self.pid)
            watch.watch_process(number, proc=proc)
        with contextlib.suppress(BrokenPipeError):
            os.write(open_gate, b"!")
        for fd in (ready, open_gate):
            os.close(fd)
        self.output, self.errors = OutputStream(out_read), OutputStream(err_read)
        self.waits, self.meter = clock.WaitMeter(), clock.JobMeter()
        self.waited_s = self.cpu_s = self.wall_s = 0.0
        self.rusage: Any = None

    def wait(self, limit_s: float) -> Outcome:
        """Waits until the command ends or exceeds its time limit; returns the outcome."""
        ended = os.pidfd_open(self.pid)
        streams = {stream.fd: stream for stream in (self.output, self.errors)}
        watched = [self.watch.fd] if self.watch else []
        next_check, timed_out = self.started + TICK_S, False
        try:
            while True:
                ready = select.select([*streams, ended, *watched], [], [], TICK_S)[0]
                for fd in ready:
                    if fd in streams and not streams[fd].read():
                        del streams[fd]
                self._check_files()
                if ended in ready:
                    break
                if time.monotonic() >= next_check:
                    next_check = time.monotonic() + TICK_S
                    if self._time_is_over(limit_s):
                        timed_out = True
                        cleaning.kill_all(self.uid)
        finally:
            os.close(ended)
        _, code, self.rusage = os.wait4(self.pid, 0)
        namespaces.end_namespace(self.init)
        self.wall_s, self.cpu_s = time.monotonic() - self.started, self.meter.used_s()
        for stream in (self.output, self.errors):
            stream.drain()
            os.close(stream.fd)
        self._check_files()
        if timed_out:
            return Outcome("timeout", time_limit_message(limit_s))
        if os.WIFSIGNALED(code):
            name = signal_name(code)
            if name == "SIGKILL":
                return Outcome("memory", "killed: it exceeded the memory limit")
            return Outcome("failed", f"ended by {name} {end_of_message(self.errors.kept_output())}".strip())
        return outcome_of_exit(os.WEXITSTATUS(code), self.errors.kept_output() or self.output.kept_output())

    def _check_files(self) -> None:
        """Checks which watched files were opened, and ends the piped source once a shell has opened the pipe."""
        if not self.watch:
            return
        self.watch.update()
        if self.source and self.source.is_pipe() and self.watch.opened[os.path.basename(self.source.path)]:
            self.source.opened()
            self.watch.add(os.path.basename(self.source.path))

    def _time_is_over(self, limit_s: float) -> bool:
        self.waited_s, self.cpu_s = self.waits.update(), self.meter.used_s()
        return clock.exceeds_limit(limit_s, time.monotonic() - self.started, self.waited_s, self.cpu_s)

    def usage(self) -> Usage:
        """Returns CPU time, wall time and memory of the command and its children."""
        return Usage(
            cpu_s=max(self.rusage.ru_utime + self.rusage.ru_stime, self.cpu_s),
            wall_s=self.wall_s,
            peak_mb=self.rusage.ru_maxrss / 1024,
            waited_s=max(0.0, min(self.waited_s, self.wall_s)),
        )
