"""Judges a program of any language by its commands: compile, run, and so on, each of which must succeed.

Its checks are part of the program, as in MultiPL-E. After the last of them stands a statement that prints a token of
this job alone: to leave early with success is not to pass. `canaries` are the same program with one check made
false, each; a program that passes with one of them has tampered with its checks.
"""

import os
import random
import re
import select
import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from . import clean, clock, warm
from .confine import confine
from .signals import signal_name

KEPT = 32 << 10
"""Bytes of each stream that are kept from its beginning, and as many from its end."""
SHOWN = 300
TICK_S = 0.1

Result = dict[str, Any]


def judge(job: dict[str, Any], secret: Callable[[], Any], uid: int, folder: str) -> tuple[dict[str, Result], bytes]:
    """Results by step; a step after a failed one is absent. The bytes are empty."""
    secret()
    results = run_steps(job, job["text"], uid, folder)
    last = list(results.values())[-1]
    if last["status"] == "passed" and job["canaries"]:
        try:
            wrong = why_not_honest(job, uid, folder)
        except OutOfTime as again:
            return again.results, b""
        if wrong:
            last |= {"status": "tampered", "detail": wrong}
    return results, b""


class OutOfTime(Exception):
    """A program that passed was out of time when it was run once more; that speaks of the machine, not of cheating."""

    def __init__(self, results: dict[str, Result]):
        super().__init__()
        self.results = results


def why_not_honest(job: dict[str, Any], uid: int, folder: str) -> str:
    """Why a program that passed did not do so by solving the problem; empty if nothing speaks against it.

    The original is among the canaries once more, in random order: a program that passes in its first run alone, since
    it takes all others for canaries, is caught as well. Raises OutOfTime if it is out of time then.
    """
    texts = [job["text"], *job["canaries"]]
    random.SystemRandom().shuffle(texts)
    for text in texts:
        if not clean.between(uid, folder, set()):
            return "leaves processes or files that cannot be removed"
        results = run_steps(job, text, uid, folder)
        passed = all(result["status"] == "passed" for result in results.values())
        if text == job["text"] and any(result["status"] == "timeout" for result in results.values()):
            raise OutOfTime(results)
        if passed != (text == job["text"]):
            return "passes though one of its checks is false" if passed else "passes in its first run alone"
    return ""


def run_steps(job: dict[str, Any], text: bytes, uid: int, folder: str) -> dict[str, Result]:
    """Writes the program and runs its steps up to the first that fails."""
    with open(os.path.join(folder, job["file"]), "wb") as file:
        file.write(text)
    results: dict[str, Result] = {}
    for step in job["steps"]:
        final = step is job["steps"][-1]
        ran = ask_server(step, job["file"], text, uid, folder) or take_shortcut(step, job, text, uid, folder)
        ran = ran or run_command(step, job, uid, folder)
        status, detail = ran.status, ran.detail
        if status == "failed" and not final:
            status = "error"
        if status == "passed":
            status, detail = judge_output(job, ran.output, ran.errors, final)
        results[step["name"]] = {"status": status, "detail": detail, **ran.used}
        if status != "passed":
            break
    return results


class Ran(NamedTuple):
    """How a step ended, what it printed, and what it used."""

    status: str
    detail: str
    output: bytes
    errors: bytes
    used: Result


def run_command(step: dict[str, Any], job: dict[str, Any], uid: int, folder: str) -> Ran:
    """The step by its command."""
    command = Command(step["command"], uid, folder)
    try:
        status, detail = command.wait(step["time_s"], job["memory_mb"])
    finally:
        clean.end_processes(uid, set())
    return Ran(status, detail, command.output.kept(), command.errors.kept(), command.used())


def take_shortcut(step: dict[str, Any], job: dict[str, Any], text: bytes, uid: int, folder: str) -> Ran | None:
    """The step by its faster command; None where there is none for this program, or it does not succeed."""
    shortcut = step.get("shortcut")
    if not shortcut or not re.match(shortcut["begins"].encode(), text):
        return None
    ran = run_command({**step, "command": shortcut["command"]}, job, uid, folder)
    return ran if ran.status == "passed" else None


def ask_server(step: dict[str, Any], file: str, text: bytes, uid: int, folder: str) -> Ran | None:
    """The step by the compile server, just as its command would do it; None where the command itself must be run."""
    server, limit_s = warm.server, step["time_s"]
    if not step.get("warm") or not server or not server.lives():
        return None
    watch = warm.Watch(server, limit_s)
    try:
        answer = server.ask([folder.encode(), file.encode(), text], watch)
    except warm.Lost:
        server.kill()
        return None
    except warm.TimeIsOver:
        server.kill()
        return Ran("timeout", used_up(limit_s), b"", b"", watch.result())
    if answer is None or not warm.put(uid, folder, answer.files):
        return None
    output, errors = (data[:KEPT] + data[KEPT:][-KEPT:] for data in (answer.output, answer.errors))
    return Ran(*judge_exit(answer.code, errors or output), output, errors, watch.result())


def used_up(limit_s: float) -> str:
    """Why a step ended that took too long."""
    return f"the {limit_s:g} s for this step were used up"


def judge_exit(code: int, said: bytes) -> tuple[str, str]:
    """Status and reason of a step that left with this exit code."""
    return ("failed", f"exit code {code}: {shown(said)}") if code else ("passed", "")


def judge_output(job: dict[str, Any], output: bytes, errors: bytes, final: bool) -> tuple[str, str]:
    """Whether a step that exited with success has also printed what it must, and nothing that it must not."""
    rules = job["fails_on"]
    if rules["stderr_not_empty"] and errors:
        return "failed", shown(errors)
    found = [mark for mark in rules["stderr_contains"] if mark.encode() in errors]
    found += [mark for mark in rules["output_contains"] if mark.encode() in output + b"\n" + errors]
    if found:
        return "failed", shown(errors or output)
    if final and job["token"] and job["token"] not in output:
        return "tampered", "left with success before its tests had run to their end"
    return "passed", ""


def shown(data: bytes) -> str:
    """The end of a message, in one line."""
    text = "".join(each if each.isprintable() else " " for each in data.decode(errors="replace"))
    return " ".join(text.split())[-SHOWN:]


class Stream:
    """What is kept of an output: its beginning and its end."""

    def __init__(self, fd: int):
        self.fd, self.head, self.tail = fd, b"", b""
        os.set_blocking(fd, False)

    def read(self) -> bool:
        """Takes what is there. False at the end of the stream."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return True
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail = (self.tail + data[room:])[-KEPT:]
        return bool(data)

    def drain(self) -> None:
        """Takes what is left in the pipe, and no more than a pipe holds: something may still be writing."""
        for _ in range(32):
            ready = select.select([self.fd], [], [], 0)[0]
            if not ready or not self.read():
                break

    def kept(self) -> bytes:
        return self.head + self.tail


class Command:
    """A command that runs as the sample's user, with its streams read so that it never waits for a reader."""

    def __init__(self, command: list[str], uid: int, folder: str):
        self.uid = uid
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.dup2(out_write, 1)
                os.dup2(err_write, 2)
                confine(uid, folder, None, False, (1, 2))
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        os.close(out_write)
        os.close(err_write)
        self.output, self.errors = Stream(out_read), Stream(err_read)
        self.waits = clock.Waits()
        self.waited_s = self.worked_s = self.wall_s = 0.0
        self.usage: Any = None

    def wait(self, limit_s: float, memory_mb: int) -> tuple[str, str]:
        """Waits for the end of the command, or of its time. Its status, and why."""
        ended = os.pidfd_open(self.pid)
        watched = {stream.fd: stream for stream in (self.output, self.errors)}
        next_look, status = self.started + TICK_S, ""
        try:
            while True:
                ready = select.select([*watched, ended], [], [], TICK_S)[0]
                for fd in ready:
                    if fd != ended and not watched[fd].read():
                        del watched[fd]
                if ended in ready:
                    break
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + TICK_S
                    if self._time_is_over(limit_s):
                        status = "timeout"
                        clean.kill_all(self.uid)
        finally:
            os.close(ended)
        _, code, self.usage = os.wait4(self.pid, 0)
        self.wall_s = time.monotonic() - self.started
        for stream in (self.output, self.errors):
            stream.drain()
            os.close(stream.fd)
        if status:
            return status, used_up(limit_s)
        if os.WIFSIGNALED(code):
            name = signal_name(code)
            if name == "SIGKILL":
                return "memory", "killed: out of memory"
            return "failed", f"ended by {name} {shown(self.errors.kept())}".strip()
        return judge_exit(os.WEXITSTATUS(code), self.errors.kept() or self.output.kept())

    def _time_is_over(self, limit_s: float) -> bool:
        """Whether an idle machine would have taken longer."""
        self.waited_s, self.worked_s = self.waits.look(), clock.cpu_seconds()
        return clock.is_over(limit_s, time.monotonic() - self.started, self.waited_s, self.worked_s)

    def used(self) -> Result:
        """What the command used, and its children: those that it waited for, or that were seen at work."""
        cpu_s = max(self.usage.ru_utime + self.usage.ru_stime, self.worked_s)
        wait_s = max(0.0, min(self.waited_s, self.wall_s))
        return {
            "cpu_s": cpu_s,
            "wall_s": self.wall_s,
            "peak_mb": self.usage.ru_maxrss / 1024,
            "waited_s": wait_s,
        }
