"""Runs one part of a sample's program in its own process and as its own user, and reports to the judge."""

import gc
import os
import signal
import sys
import time
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from ..shared import codec, wire
from ..shared.clock import Stopwatch
from ..shared.messages import ProcessSettings
from ..shared.outcome import Outcome
from ..shared.outputs import FACTS, ORACLES_WITH_INPUT, ORACLES_WITH_VALUE, is_empty, is_floats, pieces_of
from . import guards
from .alarm import Alarm, TimeLimit
from .confinement import confine
from .reporter import Reporter

RECURSION_LIMIT = 1000
"""Python's default."""
NO_SETTINGS = ProcessSettings(guard="", stack_depth=None, address_space_mb=None)


class Tampered(Exception):
    """The sample has changed something that its verdict depends on."""


class SampleWork(Protocol):
    """The work of a sample's process: run a program to its end, call a function on inputs, answer test cases ..."""

    settings: ProcessSettings
    memory_mb: int

    def prepare(self, text: str) -> None:
        """Receives the text that the judge sends at the start, before the process gives up its rights."""
        ...

    def run(self, limits: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Runs the program and reports its outputs. An exception is its outcome; without one it has reached its end."""
        ...


def set_recursion_limit(settings: ProcessSettings) -> None:
    """Sets a recursion limit that leaves the program as many stack frames as under the official grader."""
    depth, frame = 1, sys._getframe()
    while frame.f_back:
        depth, frame = depth + 1, frame.f_back
    official = settings["stack_depth"]
    sys.setrecursionlimit(RECURSION_LIMIT - (depth if official is None else official) + depth)


def compile_program(source: str) -> Any:
    """Returns the program's code object, compiled as `exec` would in a file without future imports."""
    return compile(source, "<string>", "exec", dont_inherit=True)


@dataclass
class RunToEnd:
    """Runs a Python program that contains its checks to its end."""

    settings: ProcessSettings
    memory_mb: int

    def prepare(self, text: str) -> None:
        """Stores the program's source, which the judge sends at the start."""
        self.source = text

    def run(self, limits: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Runs the program to its end. Raises what the program raises."""
        set_recursion_limit(self.settings)
        self._execute_program(limits[0], alarm)

    def _execute_program(self, limit_s: float, alarm: Alarm) -> None:
        scope: dict[str, Any] = {}
        alarm.start(limit_s)
        exec(compile_program(self.source), scope)
        alarm.stop()


@dataclass
class CallOnInputs:
    """Calls a program's entry point on each input, in order, and reports what it returns."""

    settings: ProcessSettings
    memory_mb: int
    source: str
    entry_point: str
    inputs: bytes
    """Argument lists, as `wire.dumps` encodes them."""
    oracle: str

    def prepare(self, text: str) -> None:
        """Decodes the argument lists on which the program is called."""
        self.arguments = wire.loads(self.inputs)

    def run(self, limits: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Calls the entry point on all inputs. Raises what the program raises, at load or in a call."""
        set_recursion_limit(self.settings)
        self._call_on_inputs(limits, reporter, alarm)

    def _call_on_inputs(self, limits: list[float], reporter: Reporter, alarm: Alarm) -> None:
        whole, items = self.oracle in ORACLES_WITH_VALUE, self.oracle == "as_sets"
        with_inputs = self.oracle in ORACLES_WITH_INPUT
        scope: dict[str, Any] = {}
        exec(compile_program(self.source), scope)
        function = scope[self.entry_point]
        for args, limit in zip(self.arguments, limits, strict=True):
            alarm.start(limit)
            try:
                output = function(*args)
            finally:
                alarm.stop()
            reporter.output((output, args) if with_inputs else output, items, whole)


@dataclass
class RecordOutputs:
    """Calls a reference solution on copies of the inputs; reports what it returns, with facts about it."""

    settings: ProcessSettings
    memory_mb: int
    source: str
    entry_point: str
    inputs: bytes
    output_not_none: bool

    def prepare(self, text: str) -> None:
        """Decodes the argument lists on which the reference solution is called."""
        self.arguments = wire.loads(self.inputs)

    def run(self, limits: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Records the outputs for all inputs. Raises what the reference solution raises."""
        set_recursion_limit(self.settings)
        self._record_outputs(reporter)

    def _record_outputs(self, reporter: Reporter) -> None:
        scope: dict[str, Any] = {}
        exec(compile_program(self.source), scope)
        function = scope[self.entry_point]
        for args in self.arguments:
            args = deepcopy(args)
            started = time.process_time()
            output = function(*args)
            seconds = time.process_time() - started
            if self.output_not_none:
                output = output is not None
            exact = codec.is_plain(output) and not any(codec.NAN.search(piece) for piece in pieces_of(output))
            reporter.frame(b"f", FACTS.pack(seconds, is_floats(output), is_empty(output), exact))
            reporter.output(output, items=False, whole=False)


def run_sample_process(
    work: SampleWork, limits: list[float], reporter: Reporter, uid: int, folder: str, pipes: tuple[int, ...]
) -> None:
    """Runs a sample's process from its start to its end, and exits. The descriptors in `pipes` stay open in it."""
    leave = os._exit
    watch = Stopwatch()
    settings = work.settings
    guard, address_space_mb = settings["guard"], settings["address_space_mb"]
    keep = (reporter.out_fd, reporter.control_fd, watch._fd, *pipes)
    confine(
        uid,
        folder,
        work.memory_mb if address_space_mb is None else address_space_mb,
        limit_stack=guard == "evalplus",
        keep=tuple(fd for fd in keep if fd >= 0),
    )
    gc.enable()
    if guard:
        guards.disable_functions(guard)
    if guard in guards.DISCARDING:
        guards.discard_io()
    try:
        work.run(limits, reporter, Alarm(watch))
        reporter.end()
    except MemoryError:
        signal.setitimer(signal.ITIMER_REAL, 0)
        reporter.report_out_of_memory()
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        reporter.frame(b"e", outcome_of(error).pack())
    reporter.flush()
    leave(0)


def outcome_of(error: BaseException) -> Outcome:
    """Returns the outcome of a program that raised `error`, for example `failed` for an assertion."""
    if isinstance(error, SystemExit) and not error.code:
        return Outcome("tampered", "exited with success before its checks ended")
    kinds = ((Tampered, "tampered"), (TimeLimit, "timeout"), (MemoryError, "memory"), (AssertionError, "failed"))
    status = next((name for kind, name in kinds if isinstance(error, kind)), "error")
    try:
        text = str(error)[:300]
    except BaseException:
        text = ""
    return Outcome(status, f"{type(error).__name__}{': ' if text else ''}{text}")
