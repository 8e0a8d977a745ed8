"""Runs a command (compiler, program) as the sample's user, with a time limit, and keeps its output."""

import contextlib
import os
import select
import signal
import time
from typing import Any

from ..sample.confinement import confine
from ..shared import clock
from ..shared.messages import ResourceUsage
from ..shared.outcome import PASSED, Outcome
from ..shared.signals import signal_name
from . import cleaning
from .file_watch import FileWatch
from .isolation import namespaces
from .program_source import ProgramSource

MAX_STORED_BYTES = 32 << 10
"""Bytes of the beginning, and of the end, of each output stream that are stored."""
MAX_MESSAGE_CHARACTERS = 300
"""Most characters of a message."""
CHECK_INTERVAL_S = 0.1
"""Seconds between checks of the time limit."""


def exceeded_time_limit_message(limit_s: float) -> str:
    """Returns the message that a command exceeded its time limit of `limit_s` seconds."""
    return f"the step exceeded its time limit of {limit_s:g} s"


def outcome_of_exit_code(exit_code: int, output: bytes) -> Outcome:
    """Returns a command's outcome: `passed` for exit code 0, otherwise `failed` with the end of its `output`."""
    return Outcome("failed", f"exit code {exit_code}: {tail_as_one_line(output)}") if exit_code else PASSED


def tail_as_one_line(output: bytes) -> str:
    """Returns the end of a command's output as one line without control characters, for a message."""
    text = "".join(character if character.isprintable() else " " for character in output.decode(errors="replace"))
    return " ".join(text.split())[-MAX_MESSAGE_CHARACTERS:]


class OutputStream:
    """Reads an output stream (stdout or stderr) of a command; stores its first and last `MAX_STORED_BYTES` bytes."""

    def __init__(self, fd: int):
        self.fd, self.head, self.tail = fd, b"", b""
        os.set_blocking(fd, False)

    def read(self) -> bool:
        """Reads and stores the bytes that the command has written so far. Returns False at the end of the stream."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return True
        room = MAX_STORED_BYTES - len(self.head)
        self.head += data[:room]
        self.tail = (self.tail + data[room:])[-MAX_STORED_BYTES:]
        return bool(data)

    def drain(self) -> None:
        """Reads and stores what is left in the pipe after the command has ended.

        Stops after as many bytes as a pipe can contain, because another process may still be writing.
        """
        for _ in range(32):
            ready = select.select([self.fd], [], [], 0)[0]
            if not ready or not self.read():
                break

    def stored_output(self) -> bytes:
        """Returns the stored beginning and end of the output."""
        return self.head + self.tail


class RunningCommand:
    """A running command (compiler or program), whose output is read while it runs so that no pipe becomes full."""

    def __init__(
        self,
        command: list[str],
        uid: int,
        workdir: str,
        watch: FileWatch | None = None,
        source: ProgramSource | None = None,
    ):
        self.uid, self.watch, self.source = uid, watch, source
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        gate, open_gate = os.pipe()
        ready, is_ready = os.pipe()
        self.started = time.monotonic()
        self.pid, self.init_pid = namespaces.fork()
        if self.pid == 0:
            try:
                if namespaces.isolates_forks:
                    namespaces.enter_sample_namespaces()
                os.write(is_ready, b"!")
                os.read(gate, 1)  # until the process is watched
                os.dup2(out_write, 1)
                os.dup2(err_write, 2)
                confine(uid, workdir, None, limit_stack=False, kept_fds=(1, 2))
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        for fd in (out_write, err_write, gate, is_ready):
            os.close(fd)
        if watch and os.read(ready, 1):
            number, proc = namespaces.pid_and_proc_path_in_namespace(self.pid)
            watch.watch_process(number, proc_folder=proc)
        with contextlib.suppress(BrokenPipeError):
            os.write(open_gate, b"!")
        for fd in (ready, open_gate):
            os.close(fd)
        self.output, self.errors = OutputStream(out_read), OutputStream(err_read)
        self.waits, self.meter = clock.CoreWaitMeter(), clock.JobCpuMeter()
        self.waited_s = self.cpu_s = self.wall_s = 0.0
        self.rusage: Any = None

    def wait(self, limit_s: float) -> Outcome:
        """Waits until the command ends, or kills it at its time limit (in seconds); returns the outcome."""
        ended = os.pidfd_open(self.pid)
        streams = {stream.fd: stream for stream in (self.output, self.errors)}
        watched = [self.watch.fd] if self.watch else []
        next_check, timed_out = self.started + CHECK_INTERVAL_S, False
        try:
            while True:
                ready = select.select([*streams, ended, *watched], [], [], CHECK_INTERVAL_S)[0]
                for fd in ready:
                    if fd in streams and not streams[fd].read():
                        del streams[fd]
                self._handle_file_openings()
                if ended in ready:
                    break
                if time.monotonic() >= next_check:
                    next_check = time.monotonic() + CHECK_INTERVAL_S
                    if self._exceeds_time_limit(limit_s):
                        timed_out = True
                        cleaning.kill_user_processes(self.uid)
        finally:
            os.close(ended)
        _, code, self.rusage = os.wait4(self.pid, 0)
        namespaces.end_namespace(self.init_pid)
        self.wall_s, self.cpu_s = time.monotonic() - self.started, self.meter.used_s()
        for stream in (self.output, self.errors):
            stream.drain()
            os.close(stream.fd)
        self._handle_file_openings()
        if timed_out:
            return Outcome("timeout", exceeded_time_limit_message(limit_s))
        if os.WIFSIGNALED(code):
            name = signal_name(code)
            if name == "SIGKILL":
                return Outcome("memory", "killed: the step exceeded the memory limit")
            return Outcome(
                "failed", f"the step was ended by {name} {tail_as_one_line(self.errors.stored_output())}".strip()
            )
        return outcome_of_exit_code(os.WEXITSTATUS(code), self.errors.stored_output() or self.output.stored_output())

    def _handle_file_openings(self) -> None:
        """Counts new openings of the watched files.

        If a shell has opened the named pipe that contains the program's source, replaces the pipe by a file.
        """
        if not self.watch:
            return
        self.watch.count_openings()
        if self.source and self.source.is_unopened_pipe() and self.watch.opened[os.path.basename(self.source.path)]:
            self.source.replace_opened_pipe()
            self.watch.watch_file(os.path.basename(self.source.path))

    def _exceeds_time_limit(self, limit_s: float) -> bool:
        self.waited_s, self.cpu_s = self.waits.read_waited_s(), self.meter.used_s()
        return clock.exceeds_time_limit(limit_s, time.monotonic() - self.started, self.waited_s, self.cpu_s)

    def usage(self) -> ResourceUsage:
        """Returns CPU time, wall-clock time and peak memory of the command and its children. Call it after `wait`."""
        return ResourceUsage(
            cpu_s=max(self.rusage.ru_utime + self.rusage.ru_stime, self.cpu_s),
            wall_s=self.wall_s,
            peak_mb=self.rusage.ru_maxrss / 1024,
            waited_s=max(0.0, min(self.waited_s, self.wall_s)),
        )
