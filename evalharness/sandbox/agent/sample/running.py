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
from ..shared.outputs import (
    FACTS,
    ORACLES_WITH_INPUT,
    ORACLES_WITH_VALUE,
    consists_of_floats,
    encode_in_pieces,
    is_empty_sequence,
)
from . import guards
from .alarm import Alarm, TimeLimit
from .confinement import confine
from .reporter import Reporter

RECURSION_LIMIT = 1000
"""Python's default."""
NO_SETTINGS = ProcessSettings(guard="", stack_depth=None, address_space_mb=None)


class Tampered(Exception):
    """Raised when the sample has changed something that its verdict depends on."""


class SampleWork(Protocol):
    """The work of a sample's process: run a program to its end, call a function on inputs, run test cases ..."""

    settings: ProcessSettings
    memory_mb: int

    def prepare(self, source_with_checks: str) -> None:
        """Does what needs the judge's rights, such as decoding hidden inputs, before the process gives them up.

        `source_with_checks` is the program followed by its checks; empty for work that does not need them.
        """
        ...

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Runs the program and reports its outputs.

        Raises an exception that determines the outcome; returns if the program has reached its end. `time_limits_s`:
        time limits in seconds, one per call, or one for the whole program.
        """
        ...


def set_recursion_limit(settings: ProcessSettings) -> None:
    """Sets Python's recursion limit so that the program can use as many stack frames as under the official grader."""
    depth, frame = 1, sys._getframe()
    while frame.f_back:
        depth, frame = depth + 1, frame.f_back
    official = settings["stack_depth"]
    sys.setrecursionlimit(RECURSION_LIMIT - (depth if official is None else official) + depth)


def compile_program(source: str) -> Any:
    """Returns the program's code object, compiled without the `from __future__` imports of the agent's own files."""
    return compile(source, "<string>", "exec", dont_inherit=True)


@dataclass
class RunProgramWork:
    """Runs a Python program, which contains its checks, to its end (a `SampleWork`)."""

    settings: ProcessSettings
    memory_mb: int

    def prepare(self, source_with_checks: str) -> None:
        """Stores the program's source, which the judge sends at the start."""
        self.source = source_with_checks

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Runs the program to its end. Raises what the program raises."""
        set_recursion_limit(self.settings)
        self._execute_program(time_limits_s[0], alarm)

    def _execute_program(self, limit_s: float, alarm: Alarm) -> None:
        scope: dict[str, Any] = {}
        alarm.start(limit_s)
        exec(compile_program(self.source), scope)
        alarm.stop()


@dataclass
class CallFunctionWork:
    """Calls a program's entry point on each input, in order, and reports the returned values (a `SampleWork`)."""

    settings: ProcessSettings
    memory_mb: int
    source: str
    entry_point: str
    inputs: bytes
    """Argument lists, as `wire.dumps` encodes them."""
    oracle: str

    def prepare(self, source_with_checks: str) -> None:
        """Decodes the argument lists on which `run` calls the program; `source_with_checks` is not used."""
        self.arguments = wire.loads(self.inputs)

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Loads the program and calls its entry point on all inputs. Raises what the program raises."""
        set_recursion_limit(self.settings)
        self._call_on_inputs(time_limits_s, reporter, alarm)

    def _call_on_inputs(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        whole, items = self.oracle in ORACLES_WITH_VALUE, self.oracle == "as_sets"
        with_inputs = self.oracle in ORACLES_WITH_INPUT
        scope: dict[str, Any] = {}
        exec(compile_program(self.source), scope)
        function = scope[self.entry_point]
        for args, limit in zip(self.arguments, time_limits_s, strict=True):
            alarm.start(limit)
            try:
                output = function(*args)
            finally:
                alarm.stop()
            reporter.send_output((output, args) if with_inputs else output, items, whole)


@dataclass
class RecordOutputsWork:
    """Calls a reference solution on copies of the inputs; reports outputs with their `OutputFacts` (a `SampleWork`)."""

    settings: ProcessSettings
    memory_mb: int
    source: str
    entry_point: str
    inputs: bytes
    output_not_none: bool

    def prepare(self, source_with_checks: str) -> None:
        """Decodes the argument lists on which `run` calls the reference solution; `source_with_checks` is not used."""
        self.arguments = wire.loads(self.inputs)

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Calls the reference solution on all inputs and reports the outputs. Raises what the solution raises."""
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
            exact = codec.can_be_marshalled(output) and not any(
                codec.NAN_BYTES.search(piece) for piece in encode_in_pieces(output)
            )
            reporter.send_frame(b"f", FACTS.pack(seconds, consists_of_floats(output), is_empty_sequence(output), exact))
            reporter.send_output(output, encode_items=False, send_whole=False)


def run_sample_process(
    work: SampleWork, time_limits_s: list[float], reporter: Reporter, uid: int, workdir: str, pipes: tuple[int, ...]
) -> None:
    """Confines this process, runs the sample's `work` in it as user `uid`, reports the outcome, and exits.

    The descriptors in `pipes` stay open.
    """
    leave = os._exit
    watch = Stopwatch()
    settings = work.settings
    guard, address_space_mb = settings["guard"], settings["address_space_mb"]
    keep = (reporter.out_fd, reporter.control_fd, watch._fd, *pipes)
    confine(
        uid,
        workdir,
        work.memory_mb if address_space_mb is None else address_space_mb,
        limit_stack=guard == "evalplus",
        kept_fds=tuple(fd for fd in keep if fd >= 0),
    )
    gc.enable()
    if guard:
        guards.disable_functions(guard)
    if guard in guards.IO_DISCARDING_GUARDS:
        guards.discard_io()
    try:
        work.run(time_limits_s, reporter, Alarm(watch))
        reporter.report_end()
    except MemoryError:
        signal.setitimer(signal.ITIMER_REAL, 0)
        reporter.report_out_of_memory()
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        reporter.send_frame(b"e", outcome_of_exception(error).pack())
    reporter.flush()
    leave(0)


def outcome_of_exception(error: BaseException) -> Outcome:
    """Returns the outcome of a program that raised `error`, for example `failed` for an AssertionError."""
    if isinstance(error, SystemExit) and not error.code:
        return Outcome("tampered", "the program exited with success before its tests ended")
    kinds = ((Tampered, "tampered"), (TimeLimit, "timeout"), (MemoryError, "memory"), (AssertionError, "failed"))
    status = next((name for kind, name in kinds if isinstance(error, kind)), "error")
    try:
        text = str(error)[:300]
    except BaseException:
        text = ""
    return Outcome(status, f"{type(error).__name__}{': ' if text else ''}{text}")
