"""A command of a step, run as the sample's user, with its output."""

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
from .program_source import Source

KEPT = 32 << 10
"""Bytes that are kept of each stream's beginning, and of its end."""
SHOWN = 300
"""The most characters of a message."""
TICK_S = 0.1
"""Seconds between checks of the time."""


def used_up(limit_s: float) -> str:
    """Returns the detail of a step that exceeded its time."""
    return f"the {limit_s:g} s for this step were used up"


def outcome_of_exit(code: int, message: bytes) -> Outcome:
    """Returns the outcome of a step that exited with this code and printed this message."""
    return Outcome("failed", f"exit code {code}: {shown(message)}") if code else PASSED


def shown(data: bytes) -> str:
    """Returns the end of a message, in one line."""
    text = "".join(character if character.isprintable() else " " for character in data.decode(errors="replace"))
    return " ".join(text.split())[-SHOWN:]


class Stream:
    """Keeps the beginning and the end of an output."""

    def __init__(self, fd: int):
        self.fd, self.head, self.tail = fd, b"", b""
        os.set_blocking(fd, False)

    def read(self) -> bool:
        """Reads what is available. Returns False at the end of the stream."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return True
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail = (self.tail + data[room:])[-KEPT:]
        return bool(data)

    def drain(self) -> None:
        """Reads what is left in the pipe, but no more than a pipe holds: some process may still be writing."""
        for _ in range(32):
            ready = select.select([self.fd], [], [], 0)[0]
            if not ready or not self.read():
                break

    def kept(self) -> bytes:
        """Returns the beginning and the end of the output."""
        return self.head + self.tail


class Command:
    """A running command whose output is always read, so that it never waits for a reader."""

    def __init__(
        self, command: list[str], uid: int, folder: str, watch: FileWatch | None = None, source: Source | None = None
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
                    namespaces.enter()
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
            number, proc = namespaces.seen_by(self.pid)
            watch.watch_process(number, proc=proc)
        with contextlib.suppress(BrokenPipeError):
            os.write(open_gate, b"!")
        for fd in (ready, open_gate):
            os.close(fd)
        self.output, self.errors = Stream(out_read), Stream(err_read)
        self.waits, self.meter = clock.Waits(), clock.JobMeter()
        self.waited_s = self.cpu_s = self.wall_s = 0.0
        self.rusage: Any = None

    def wait(self, limit_s: float) -> Outcome:
        """Waits until the command ends or its time is over, and returns the outcome."""
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
        namespaces.close(self.init)
        self.wall_s, self.cpu_s = time.monotonic() - self.started, self.meter.used_s()
        for stream in (self.output, self.errors):
            stream.drain()
            os.close(stream.fd)
        self._check_files()
        if timed_out:
            return Outcome("timeout", used_up(limit_s))
        if os.WIFSIGNALED(code):
            name = signal_name(code)
            if name == "SIGKILL":
                return Outcome("memory", "killed: out of memory")
            return Outcome("failed", f"ended by {name} {shown(self.errors.kept())}".strip())
        return outcome_of_exit(os.WEXITSTATUS(code), self.errors.kept() or self.output.kept())

    def _check_files(self) -> None:
        """Counts which files were opened, and lets go of a source in a pipe once it is."""
        if not self.watch:
            return
        self.watch.update()
        if self.source and self.source.is_pipe() and self.watch.opened[os.path.basename(self.source.path)]:
            self.source.opened()
            self.watch.add(os.path.basename(self.source.path))

    def _time_is_over(self, limit_s: float) -> bool:
        self.waited_s, self.cpu_s = self.waits.update(), self.meter.used_s()
        return clock.is_over(limit_s, time.monotonic() - self.started, self.waited_s, self.cpu_s)

    def usage(self) -> Usage:
        """Returns what the command and its children used."""
        return Usage(
            cpu_s=max(self.rusage.ru_utime + self.rusage.ru_stime, self.cpu_s),
            wall_s=self.wall_s,
            peak_mb=self.rusage.ru_maxrss / 1024,
            waited_s=max(0.0, min(self.waited_s, self.wall_s)),
        )
