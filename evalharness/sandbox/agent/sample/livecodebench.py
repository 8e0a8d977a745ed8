"""Runs a program on LiveCodeBench's test cases in the sample's process.

Programs of mode `stdin` read a text and print; those of mode `call` are called with arguments. All cases run in one
process, which receives each case after it has answered the one before; the judge compares the answers. Source:
LiveCodeBench/LiveCodeBench, lcb_runner/evaluation/testing_util.py.
"""

import io
import os
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any
from unittest.mock import mock_open, patch

from ..shared import codec, wire
from ..shared.messages import ProcessSettings
from .alarm import Alarm, TimeLimit
from .livecodebench_source import PRELUDE, WRAPPER_FUNCTION, convert_program_to_function
from .reporter import Reporter
from .running import set_recursion_limit

MAX_ANSWER_BYTES = 32 << 20
"""Most bytes of an answer; expected answers are far shorter."""
MAX_INTEGER_DIGITS = 50_000
"""Most digits of an integer in a text. Source: lcb_runner/evaluation/compute_code_generation_metrics.py."""


class ExitedInCall(Exception):
    """Raised when the called function raises SystemExit, which would end the process of the official grader."""


class PrintingAlarm(Alarm):
    """An alarm that also prints a line, as the official grader's alarm does.

    If a program catches the alarm's exception and continues, the line becomes part of its output.
    """

    def _on_alarm_signal(self, signum: int, frame: FrameType | None) -> None:
        try:
            super()._on_alarm_signal(signum, frame)
        except TimeLimit:
            print("timeout occured: alarm went off")
            raise


class MockStdin:
    """The program's `sys.stdin`, with the official grader's behavior: `read` always returns the whole text."""

    def __init__(self, text: str):
        self._text, self._lines = text, io.StringIO(text)
        self.buffer = MockStdinBuffer(text)

    def read(self, *_: object) -> str:
        return self._text

    def readline(self, *args: Any) -> str:
        return self._lines.readline(*args)

    def readlines(self, *_: object) -> list[str]:
        return self._text.split("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lines, name)


class MockStdinBuffer:
    """The program's `sys.stdin.buffer`, with the official grader's behavior: `readline` repeats the first line."""

    def __init__(self, text: str):
        self._data = text.encode()

    def read(self, *_: object) -> bytes:
        return self._data

    def readline(self, *_: object) -> bytes:
        return self._data.partition(b"\n")[0] + b"\n"


def load_function(source: str, function_name: str, alarm: Alarm, limit_s: float) -> Any:
    """Runs the program `source`; returns its function `function_name`.

    If the program defines a class Solution, returns the method of that name instead. `alarm` limits the time to
    `limit_s` seconds.
    """
    alarm.start(limit_s)
    try:
        module = ModuleType("tmp_sol", "")
        exec(compile(source, "<string>", "exec", dont_inherit=True), vars(module))
        holder = module.Solution() if "class Solution" in source else module
    finally:
        alarm.stop()
    return getattr(holder, function_name)


@dataclass
class RunTestCasesWork:
    """Runs a LiveCodeBench program on test cases, which the judge sends one at a time (a `SampleWork`).

    After the last test case, the judge sends None.
    """

    settings: ProcessSettings
    memory_mb: int
    source: str
    function: str
    """The function to call; empty for a program that reads stdin and prints."""
    case_s: float
    """Time limit of each test case, and of loading the program, in seconds."""

    def prepare(self, source_with_checks: str) -> None:
        """Does nothing: the judge sends each test case later."""

    def run(self, time_limits_s: list[float], reporter: Reporter, alarm: Alarm) -> None:
        """Runs the program on each test case and sends the judge its answer.

        Raises what the program raises, and AssertionError for an answer that is too long.
        """
        set_recursion_limit(self.settings)
        limit_s, function = self.case_s, self.function
        alarm = PrintingAlarm(alarm.watch)
        sys.set_int_max_str_digits(MAX_INTEGER_DIGITS)
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if function:
            method = load_function(PRELUDE + "\n\n" + self.source, function, alarm, limit_s)
        else:
            alarm.start(limit_s)
            try:
                source = convert_program_to_function(self.source)
            finally:
                alarm.stop()
            method = load_function(source, WRAPPER_FUNCTION, alarm, limit_s)
        while (case_input := wire.read_message(reporter.control_fd)) is not None:
            answer = (_call_and_encode_result if function else _run_and_capture_output)(
                method, case_input, alarm, limit_s
            )
            if len(answer) > MAX_ANSWER_BYTES:
                raise AssertionError(
                    f"the program's answer to a test case has {len(answer)} bytes, "
                    f"more than the limit of {MAX_ANSWER_BYTES}"
                )
            reporter.send_frame(b"o", answer)
            reporter.flush()


def _call_and_encode_result(function: Any, args: list[Any], alarm: Alarm, limit_s: float) -> bytes:
    alarm.start(limit_s)
    try:
        returned = function(*args)
    except SystemExit as error:
        raise ExitedInCall(f"SystemExit: {error}") from None
    finally:
        alarm.stop()
    return codec.encode(returned)


def _run_and_capture_output(function: Any, stdin_text: str, alarm: Alarm, limit_s: float) -> bytes:
    alarm.start(limit_s)
    before = sys.stdout
    sys.stdout = captured = io.StringIO()
    captured.close = lambda _: None  # type: ignore[method-assign,assignment,misc]  # closing it fails, as in the official grader
    try:
        _run_with_stdin(function, stdin_text)
    finally:
        alarm.stop()
        sys.stdout = before
    return captured.getvalue().encode("utf-8", "surrogatepass")


def _wait_for_threads() -> None:
    """Waits until each thread that the program did not join is idle or has run for `sys.getswitchinterval()` seconds.

    On an idle machine, a new thread runs that long before the main thread continues, so that a short thread has already
    printed its output. On a busy machine, where the new thread may still be waiting for a core, this wait gives it the
    same time.
    """
    own, interval_ns = str(os.getpid()), sys.getswitchinterval() * 1e9
    while True:
        with suppress(OSError, ValueError, IndexError):
            others = [task for task in os.listdir("/proc/self/task") if task != own]
            if not any(_is_thread_runnable(task) and _thread_cpu_time_ns(task) < interval_ns for task in others):
                return
        time.sleep(0.001)


def _is_thread_runnable(thread_id: str) -> bool:
    """Returns whether a thread of this process runs or waits for a core."""
    with io.open(f"/proc/self/task/{thread_id}/stat") as file:  # noqa: UP020  # the program may have replaced `open`
        return file.read().rpartition(")")[2].split()[0] == "R"


def _thread_cpu_time_ns(thread_id: str) -> int:
    with io.open(f"/proc/self/task/{thread_id}/schedstat") as file:  # noqa: UP020
        return int(file.read().split()[0])


def _run_with_stdin(function: Any, stdin_text: str) -> None:
    """Runs a LiveCodeBench program (`function`) with `stdin_text` as its stdin. SystemExit counts as a normal end.

    Like the official grader, first patches `read`, `readline` and `readlines` of the existing `sys.stdin` object, which
    a program may have imported by `from sys import stdin`, and then replaces `sys.stdin`.
    """
    lines = iter(stdin_text.split("\n"))
    with ExitStack() as stack:
        stack.enter_context(patch("sys.stdin.read", lambda *_: stdin_text))
        stack.enter_context(patch("sys.stdin.readlines", lambda *_: stdin_text.split("\n")))
        stack.enter_context(patch("sys.stdin.readline", lambda *_: next(lines)))
        stack.enter_context(patch("sys.stdin", MockStdin(stdin_text)))
        stack.enter_context(patch("builtins.open", mock_open(read_data=stdin_text)))
        with suppress(SystemExit):
            function()
        _wait_for_threads()
