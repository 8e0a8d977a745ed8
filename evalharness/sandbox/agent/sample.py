"""The process that runs one part of a sample's program, as a user of its own, and tells the judge what happened.

Frames to the judge: `o` an output, encoded; `d` the digest of a large output, answered by `n` (next) or `s` (send:
chunk frames `c`, then `z`); `f` facts of a trusted program's output; `e` what was raised; `q` the end was reached,
answered by a secret, which `p` sends back. A process that ends without `e` or `p` did not finish its part.
"""

import gc
import hashlib
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from types import FrameType
from typing import Any

from . import codec, guard, wire
from .clock import Stopwatch
from .compare import SEES_INPUT, WHOLE, is_empty, is_floats
from .confine import confine
from .expected import FACTS

LARGE = 64 << 10
"""Bytes; a larger encoded output is named by its digest."""
CHUNK = 4096
"""Elements of a long list or tuple that are encoded at a time."""
FLUSH = 32 << 10

OUT_OF_MEMORY = wire.FRAME.pack(b"e", 18) + b"memory:MemoryError"


class TimeLimit(Exception):
    """The time limit of a call. An Exception, as in the official graders: a program may swallow it."""


class Tampered(Exception):
    """The sample has changed what decides about it."""


class Reporter:
    """Writes frames, several small ones at a time."""

    def __init__(self, out_fd: int, control_fd: int):
        self.out_fd, self.control_fd = out_fd, control_fd
        self.pending = bytearray()
        self.flushed_at = time.monotonic()
        self._write, self._read, self._now = os.write, os.read, time.monotonic

    def frame(self, kind: bytes, payload: bytes) -> None:
        self.pending += wire.FRAME.pack(kind, len(payload)) + payload
        # What a fast call returned waits a millisecond at most, so that a following hang does not hide it for long.
        if len(self.pending) > FLUSH or self._now() - self.flushed_at > 0.001:
            self.flush()

    def flush(self) -> None:
        view = memoryview(bytes(self.pending))
        while view:
            view = view[self._write(self.out_fd, view) :]
        self.pending.clear()
        self.flushed_at = self._now()

    def end(self) -> None:
        """Says that the end was reached, and proves it with the secret that is given only now."""
        self.frame(b"q", b"")
        self.flush()
        self.frame(b"p", self._read(self.control_fd, 16))

    def out_of_memory(self) -> None:
        """Says so without asking for any more memory."""
        for ready in (self.pending, OUT_OF_MEMORY):
            self._write(self.out_fd, ready)
        self.pending.clear()

    def output(self, value: Any, items: bool, whole: bool) -> None:
        """An output: whole if it is small or has to be, else its digest, and then its chunks if they are wanted."""
        if not (isinstance(value, list | tuple) and len(value) > CHUNK):
            data = codec.encode(value, items)
            if whole or len(data) <= LARGE:
                return self.frame(b"o", data)
        elif whole:
            return self.frame(b"o", codec.encode(value, items))
        digest = hashlib.blake2b(digest_size=16)
        for chunk in chunks(value):
            digest.update(struct.pack("!I", len(chunk)) + chunk)
        self.frame(b"d", digest.digest())
        self.flush()
        if self._read(self.control_fd, 1) == b"s":
            for chunk in chunks(value):
                self.frame(b"c", chunk)
            self.frame(b"z", b"")
        return None


def chunks(value: Any) -> Iterator[bytes]:
    """The encoded value in pieces: for a long list or tuple its type and length, then its elements in slices."""
    if type(value) in (list, tuple) and len(value) > CHUNK:
        yield codec.encode((type(value).__name__, len(value)))
        for start in range(0, len(value), CHUNK):
            yield codec.encode(list(value[start : start + CHUNK]))
    else:
        yield codec.encode(None)
        yield codec.encode(value)


class Alarm:
    """A limit on the time of a stretch of code, in seconds as on an idle machine."""

    def __init__(self, watch: Stopwatch):
        self.watch, self.rang = watch, False
        self._set, self._real = signal.setitimer, signal.ITIMER_REAL

    def start(self, seconds: float) -> None:
        self.limit = seconds
        self.watch.restart()
        signal.signal(signal.SIGALRM, self._ring)
        self._set(self._real, seconds)

    def stop(self) -> None:
        self._set(self._real, 0)

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        left = self.limit - self.watch.elapsed_s()
        if left > 0.001:
            self._set(self._real, left)
        else:
            self.rang = True
            raise TimeLimit


def run_part(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """Runs the part and reports every output, exception and the end. `part` is what the judge got for it."""
    level_stack(part["rules"])
    if part["runner"] == "exec":
        run_to_end(part, alarm)
    elif part["runner"] == "reference":
        record_outputs(part, reporter)
    else:
        call_on_inputs(part, reporter, alarm)


def level_stack(rules: dict[str, Any]) -> None:
    """Leaves a program the room on the stack that it has under the official grader: `stack_depth` frames are used."""
    depth, frame = 1, sys._getframe()
    while frame.f_back:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(1000 - rules.get("stack_depth", depth) + depth)


def compiled(part: dict[str, Any]) -> Any:
    """The program, compiled as `exec` would from a file without future imports."""
    return compile(part["source"], "<string>", "exec", dont_inherit=True)


def run_to_end(part: dict[str, Any], alarm: Alarm) -> None:
    """Runs a program with its checks inside."""
    scope: dict[str, Any] = {}
    alarm.start(part["limits"][0])
    exec(compiled(part), scope)
    alarm.stop()


def call_on_inputs(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """Loads a program, calls its entry point on each input, in order, and reports what it returns."""
    oracle = part["rules"]["oracle"]
    whole, items, with_inputs = oracle in WHOLE, oracle == "as_sets", oracle in SEES_INPUT
    scope: dict[str, Any] = {}
    exec(compiled(part), scope)
    function = scope[part["entry_point"]]
    for args, limit in zip(part["inputs"], part["limits"], strict=True):
        alarm.start(limit)
        try:
            output = function(*args)
        finally:
            alarm.stop()
        reporter.output((output, args) if with_inputs else output, items, whole)


def record_outputs(part: dict[str, Any], reporter: Reporter) -> None:
    """Calls a trusted entry point on copies of the inputs and reports what it returns, with facts about it."""
    scope: dict[str, Any] = {}
    exec(compiled(part), scope)
    function = scope[part["entry_point"]]
    for args in part["inputs"]:
        args = deepcopy(args)
        started = time.process_time()
        output = function(*args)
        seconds = time.process_time() - started
        if part["output_not_none"]:
            output = output is not None
        exact = codec.is_plain(output) and not any(codec.NAN.search(chunk) for chunk in chunks(output))
        reporter.frame(b"f", FACTS.pack(seconds, is_floats(output), is_empty(output), exact))
        reporter.output(output, items=False, whole=False)


Run = Callable[[dict[str, Any], Reporter, Alarm], None]


def main(
    part: dict[str, Any], reporter: Reporter, uid: int, workdir: str, links: tuple[int, ...] = (), run: Run = run_part
) -> None:
    """The whole life of the process. Never returns."""
    leave = os._exit
    watch = Stopwatch()
    keep = (reporter.out_fd, reporter.control_fd, watch._fd, *links)
    stack = part["rules"].get("guard") == "evalplus"
    address_mb = part["rules"].get("address_space_mb", part["memory_mb"])
    confine(uid, workdir, address_mb, stack, tuple(fd for fd in keep if fd >= 0))
    gc.enable()
    taken = part["rules"].get("guard")
    if taken:
        guard.apply(taken)
    if taken in guard.SWALLOWING:
        guard.swallow_io()
    try:
        run(part, reporter, Alarm(watch))
        reporter.end()
    except MemoryError:
        signal.setitimer(signal.ITIMER_REAL, 0)
        reporter.out_of_memory()
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        reporter.frame(b"e", describe(error))
    reporter.flush()
    leave(0)


def describe(error: BaseException) -> bytes:
    """Status (`timeout`, `memory`, `failed` for an assertion, `tampered`, `error`), a colon, and the text."""
    if isinstance(error, SystemExit) and not error.code:
        return b"tampered:left with success before its checks ended"
    kinds = ((Tampered, "tampered"), (TimeLimit, "timeout"), (MemoryError, "memory"), (AssertionError, "failed"))
    status = next((name for kind, name in kinds if isinstance(error, kind)), "error")
    try:
        text = str(error)[:300]
    except BaseException:
        text = ""
    return f"{status}:{type(error).__name__}{': ' if text else ''}{text}".encode(errors="replace")
