"""A compile server beside the agent: a compiler that starts slowly is started once, and asked for each program.

It stands for a step's command and must do what that does; where it will not, or does not, the command itself is run.
It has a user of its own and is confined as samples are, reads the program from a pipe and answers with what the
compiler prints and writes, so that it can neither see nor change any file of a sample's. It parses and checks a
program's text and runs none of it.
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

from . import clean, clock
from .confine import confine

COMMAND = "/opt/evalharness/warm/command"
"""The server's command line, as a JSON list, in images that have one."""
FOLDER = "/opt/evalharness/warm/empty"
"""Where it runs: like the folder of a program, but without the program."""
JOBS = 200
LARGEST_MB = 512
"""After so many jobs, or beyond this size, it is started anew, so that it cannot grow without end."""
LARGEST_ANSWER = 256 << 20
TICK_S = 0.1
NOT_HERE = 0xFFFFFFFF
"""The exit code of a server that leaves a program to the command."""
NUMBER = struct.Struct("!I")


class Lost(Exception):
    """The server is gone, or says what no server says."""


class TimeIsOver(Exception):
    """The program was not compiled in time."""


class Answer(NamedTuple):
    """What the command would have done."""

    code: int
    output: bytes
    errors: bytes
    files: list[tuple[str, bytes]]


class Server:
    """A running server. The agent starts it; judges, forked from the agent, have its pipes as well."""

    def __init__(self, command: list[str], uid: int):
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.dup2(requests, 0)
                os.dup2(answers, 1)
                confine(uid, FOLDER, None, False, (0, 1))
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        os.close(requests)
        os.close(answers)
        os.set_blocking(self.requests, False)
        self.ended = os.pidfd_open(self.pid)
        self.jobs = 0
        clock.STANDING[self.pid] = self.ended

    def lives(self) -> bool:
        """Whether it has not ended."""
        return not select.select([self.ended], [], [], 0)[0]

    def kill(self) -> None:
        """Ends it, at once."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.ended, signal.SIGKILL)

    def close(self) -> None:
        """In the agent alone: ends it, and frees what is held for it."""
        self.kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        del clock.STANDING[self.pid]
        for fd in (self.requests, self.answers, self.ended):
            os.close(fd)

    def is_worn(self) -> bool:
        """Whether it has worked long enough, or has grown too large."""
        return self.jobs > JOBS or self.resident_mb() > LARGEST_MB

    def resident_mb(self) -> float:
        """The memory that it holds."""
        with contextlib.suppress(OSError, IndexError), open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
        return 0.0

    def ask(self, fields: list[bytes], watch: "Watch") -> Answer | None:
        """What it answers; None where it leaves the program to the command. Raises Lost and TimeIsOver."""
        request = memoryview(b"".join(NUMBER.pack(len(field)) + field for field in fields))
        answer = bytearray()
        while not (found := _unpacked(answer)):
            ready = select.select([self.answers, self.ended], [self.requests] if request else [], [], TICK_S)
            if self.answers in ready[0]:
                data = os.read(self.answers, 1 << 20)
                answer += data
                if not data or len(answer) > LARGEST_ANSWER:
                    raise Lost
            elif self.ended in ready[0]:
                raise Lost
            with contextlib.suppress(BrokenPipeError):  # then it has ended, which the next round sees
                request = request[os.write(self.requests, request[: 1 << 16]) :] if ready[1] else request
            if watch.is_over():
                raise TimeIsOver
        code, texts = found
        if code == NOT_HERE:
            return None
        names = [name.decode(errors="surrogateescape") for name in texts[2::2]]
        return Answer(code, texts[0], texts[1], list(zip(names, texts[3::2], strict=True)))


def _unpacked(data: bytearray) -> tuple[int, list[bytes]] | None:
    """Exit code and fields of an answer, if it is complete."""
    if len(data) < 2 * NUMBER.size:
        return None
    code, count = NUMBER.unpack_from(data)[0], NUMBER.unpack_from(data, NUMBER.size)[0]
    place, fields = 2 * NUMBER.size, []
    for _ in range(count):
        start = place + NUMBER.size
        place = start + NUMBER.unpack_from(data, place)[0] if len(data) >= start else start
        if len(data) < place:
            return None
        fields.append(bytes(data[start:place]))
    return code, fields


class Watch:
    """What the server uses for one program."""

    def __init__(self, server: Server, limit_s: float):
        self.limit_s, self._server, self._own = limit_s, server, [server.pid]
        self._started, self._next_look = time.monotonic(), 0.0
        self._waited, self._cpu = clock.waited_seconds(self._own), clock.cpu_seconds(self._own)

    def used(self) -> tuple[float, float, float]:
        """Seconds by the wall clock, waiting for a core, and on one."""
        wall = time.monotonic() - self._started
        waited = max(0.0, clock.waited_seconds(self._own) - self._waited)
        return wall, min(waited, wall), max(0.0, clock.cpu_seconds(self._own) - self._cpu)

    def result(self) -> dict[str, float]:
        """The same, as a step's result has it; the memory is all that the server holds."""
        wall, waited, cpu = self.used()
        return {"cpu_s": cpu, "wall_s": wall, "peak_mb": self._server.resident_mb(), "waited_s": waited}

    def is_over(self) -> bool:
        """Whether an idle machine would have taken longer than the limit; looked at now and then."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + TICK_S
        return clock.is_over(self.limit_s, *self.used())


def put(uid: int, folder: str, files: list[tuple[str, bytes]]) -> bool:
    """Writes the files as the sample's user, as the command would have. False where that cannot be."""
    if any(os.path.isabs(name) or ".." in name.split("/") for name, _ in files):
        return False

    def write() -> None:
        os.umask(0o022)
        for name, data in files:
            place = os.path.join(folder, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(data)

    return clean.as_user(uid, write)


server: Server | None = None
"""The one that runs. A judge has the agent's."""


def keep(users: Iterator[int]) -> None:
    """In the agent, between jobs: sees to it that a server is there, in images that have one, and is not worn."""
    global server
    if server and (not server.lives() or server.is_worn()):
        server.close()
        server = None
    if not server and os.path.exists(COMMAND):
        with open(COMMAND) as file:
            server = Server(json.load(file), next(users))
    if server:
        server.jobs += 1
