"""A compile server: a compiler with a slow start is started once and then compiles every program.

It replaces a step's command and must do exactly the same; if it cannot, the command itself runs. It has its own user
and is confined like a sample, reads the program from a pipe, and answers with what the compiler prints and writes, so
that it can neither read nor change a sample's files. It parses and checks a program's text and runs none of it.
"""

import contextlib
import json
import os
import select
import signal
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..sample.confinement import confine
from ..shared import clock
from ..shared.messages import ResourceUsage
from . import cleaning

COMMAND_FILE = "/opt/evalharness/warm/command"
"""File with the compile server's command line, as a JSON list, in images that have one."""
WORKING_FOLDER = "/opt/evalharness/warm/empty"
"""The server's working folder, which is empty."""
MAX_JOBS = 200
MAX_RESIDENT_MB = 512
"""The server is restarted after this number of jobs, or above this resident memory in MB, so that it cannot grow on."""
MAX_ANSWER_BYTES = 256 << 20
"""Most bytes of an answer."""
CHECK_INTERVAL_S = 0.1
"""Seconds between checks of the time limit."""
DECLINED = 0xFFFFFFFF
"""The exit code by which the server asks to run the step's command instead."""
UINT32 = struct.Struct("!I")


class CompileServerLost(Exception):
    """Raised when the compile server has ended, or its answer is too large."""


class CompileTimeout(Exception):
    """Raised when a program did not compile within its time limit."""


class CompilerOutput(NamedTuple):
    """The compile server's answer for one program: the compiler's exit code, stdout, stderr and output files."""

    code: int
    output: bytes
    errors: bytes
    files: list[tuple[str, bytes]]


class RawCompilerOutput(NamedTuple):
    """A complete answer of the compile server, not yet sorted into the fields of CompilerOutput."""

    exit_code: int
    fields: list[bytes]
    """Stdout, stderr, then name and content of each output file."""


class CompileServer:
    """A running compile server: a compiler that starts once and then compiles the programs of many jobs.

    The agent starts the server. The judge processes, which are forks of the agent, inherit the pipes to it.
    """

    def __init__(self, command: list[str], uid: int):
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.dup2(requests, 0)
                os.dup2(answers, 1)
                confine(uid, WORKING_FOLDER, None, limit_stack=False, kept_fds=(0, 1))
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        os.close(requests)
        os.close(answers)
        os.set_blocking(self.requests, False)
        self.ended = os.pidfd_open(self.pid)
        self.jobs = 0
        clock.PERSISTENT_PIDFDS[self.pid] = self.ended

    def is_alive(self) -> bool:
        """Returns whether the compile server still runs."""
        return not select.select([self.ended], [], [], 0)[0]

    def kill(self) -> None:
        """Kills the compile server."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.ended, signal.SIGKILL)

    def close(self) -> None:
        """Kills the compile server and frees its resources. Only the agent, its parent, may call this."""
        self.kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        del clock.PERSISTENT_PIDFDS[self.pid]
        for fd in (self.requests, self.answers, self.ended):
            os.close(fd)

    def needs_restart(self) -> bool:
        """Returns whether the compile server has had too many jobs (`MAX_JOBS`) or uses too much memory."""
        return self.jobs > MAX_JOBS or self.resident_mb() > MAX_RESIDENT_MB

    def resident_mb(self) -> float:
        """Returns the resident memory of the compile server in MiB."""
        with contextlib.suppress(OSError, IndexError), open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
        return 0.0

    def compile(self, request_fields: list[bytes], meter: "CompileMeter") -> CompilerOutput | None:
        """Compiles a program; returns the compiler's output, or None if the server cannot compile this program.

        `request_fields` are working folder, file name and program text. `meter` limits the time. Raises
        CompileServerLost if the server ends, and CompileTimeout at the time limit.
        """
        request = memoryview(b"".join(UINT32.pack(len(field)) + field for field in request_fields))
        answer = bytearray()
        while not (unpacked := _parse_server_answer(answer)):
            ready = select.select([self.answers, self.ended], [self.requests] if request else [], [], CHECK_INTERVAL_S)
            if self.answers in ready[0]:
                data = os.read(self.answers, 1 << 20)
                answer += data
                if not data or len(answer) > MAX_ANSWER_BYTES:
                    raise CompileServerLost
            elif self.ended in ready[0]:
                raise CompileServerLost
            with contextlib.suppress(BrokenPipeError):  # it has ended, which the next iteration detects
                request = request[os.write(self.requests, request[: 1 << 16]) :] if ready[1] else request
            if meter.exceeds_time_limit():
                raise CompileTimeout
        code, fields = unpacked
        if code == DECLINED:
            return None
        names = [name.decode(errors="surrogateescape") for name in fields[2::2]]
        return CompilerOutput(code, fields[0], fields[1], list(zip(names, fields[3::2], strict=True)))


def _parse_server_answer(data: bytearray) -> RawCompilerOutput | None:
    """Returns the compile server's answer in `data`, the bytes received so far; None if it is not yet complete."""
    if len(data) < 2 * UINT32.size:
        return None
    code, count = UINT32.unpack_from(data)[0], UINT32.unpack_from(data, UINT32.size)[0]
    position, fields = 2 * UINT32.size, []
    for _ in range(count):
        start = position + UINT32.size
        position = start + UINT32.unpack_from(data, position)[0] if len(data) >= start else start
        if len(data) < position:
            return None
        fields.append(bytes(data[start:position]))
    return RawCompilerOutput(code, fields)


class CompileMeter:
    """Measures the time and memory that the compile server uses for one program."""

    def __init__(self, server: CompileServer, limit_s: float):
        self.limit_s, self._server, self._pids = limit_s, server, [server.pid]
        self._started, self._next_check = time.monotonic(), 0.0
        self._waited, self._cpu = clock.core_wait_seconds(self._pids), clock.cpu_seconds(self._pids)

    def wall_waited_and_cpu_s(self) -> tuple[float, float, float]:
        """Returns the wall-clock, core-waiting and CPU time, each in seconds, since this meter was created."""
        wall = time.monotonic() - self._started
        waited = max(0.0, clock.core_wait_seconds(self._pids) - self._waited)
        return wall, min(waited, wall), max(0.0, clock.cpu_seconds(self._pids) - self._cpu)

    def usage(self) -> ResourceUsage:
        """Returns the resources used for the program: its times, and the memory of the whole server process."""
        wall, waited, cpu = self.wall_waited_and_cpu_s()
        return ResourceUsage(cpu_s=cpu, wall_s=wall, peak_mb=self._server.resident_mb(), waited_s=waited)

    def exceeds_time_limit(self) -> bool:
        """Returns whether the program has exceeded its time limit, not counting time spent waiting for a core.

        Reads the clocks at most once per `CHECK_INTERVAL_S`, and returns False in between.
        """
        if time.monotonic() < self._next_check:
            return False
        self._next_check = time.monotonic() + CHECK_INTERVAL_S
        return clock.exceeds_time_limit(self.limit_s, *self.wall_waited_and_cpu_s())


def write_compiled_files(uid: int, workdir: str, files: list[tuple[str, bytes]]) -> bool:
    """Writes the compiler's output files (name, content) into `workdir` as user `uid`. Returns False if that fails."""
    if any(os.path.isabs(name) or ".." in name.split("/") for name, _ in files):
        return False

    def write_all_files() -> None:
        os.umask(0o022)
        for name, data in files:
            path = os.path.join(workdir, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)

    return cleaning.run_as_user(uid, write_all_files)


server: CompileServer | None = None
"""The running compile server; None if none runs. A judge process, a fork of the agent, inherits the agent's."""


def ensure_server_is_running(user_ids: Iterator[int]) -> None:
    """Starts the compile server, or restarts it if it has ended, has had too many jobs or uses too much memory.

    The server runs as the next user id of `user_ids`. Does nothing in images without a compile server. The agent calls
    this between jobs.
    """
    global server
    if server and (not server.is_alive() or server.needs_restart()):
        server.close()
        server = None
    if not server and os.path.exists(COMMAND_FILE):
        with open(COMMAND_FILE) as file:
            server = CompileServer(json.load(file), next(user_ids))
    if server:
        server.jobs += 1
