"""In the sample's process: a program answers test cases one by one, as under LiveCodeBench's grader.

Programs of `stdin` mode read a text and print; those of `call` mode are called with values. All cases run in this one
process; each is received when its turn has come, and what comes back is judged elsewhere.
Source: LiveCodeBench/LiveCodeBench, lcb_runner/evaluation/testing_util.py.
"""

import ast
import io
import os
import sys
from contextlib import ExitStack, suppress
from types import FrameType, ModuleType
from typing import Any
from unittest.mock import mock_open, patch

from . import codec, sample, wire
from .sample import Alarm, Reporter, TimeLimit
from .testcases import LARGEST_INTEGER

STARS = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json", "builtins", "typing"),
)
MODULES = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json"),
)
PRELUDE = "".join([*(f"from {name} import *\n" for name in STARS), *(f"import {name}\n" for name in MODULES)])
PRELUDE += "sys.setrecursionlimit(50000)\n"
"""What is put before every program: `import_string` of the official grader."""
WRAPPED = "wrapped_function"
MAIN_GUARD = "__name__ == '__main__'"
LARGEST_ANSWER = 32 << 20
"""Bytes; no expected answer comes near."""


class Left(Exception):
    """The program left while it was called, which ends the official runner as well."""


class PrintingAlarm(Alarm):
    """Prints a line when it rings, as the official handler does: a program that swallows the exception prints it."""

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        try:
            super()._ring(signum, frame)
        except TimeLimit:
            print("timeout occured: alarm went off")
            raise


class Input:
    """What `sys.stdin` is while a program runs: `read` gives all of it each time, and lines come from `readline`."""

    def __init__(self, text: str):
        self._text, self._lines = text, io.StringIO(text)
        self.buffer = InputBytes(text)

    def read(self, *_: object) -> str:
        return self._text

    def readline(self, *args: Any) -> str:
        return self._lines.readline(*args)

    def readlines(self, *_: object) -> list[str]:
        return self._text.split("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lines, name)


class InputBytes:
    """What `sys.stdin.buffer` is: the first line over and over, or all of it."""

    def __init__(self, text: str):
        self._data = text.encode()

    def read(self, *_: object) -> bytes:
        return self._data

    def readline(self, *_: object) -> bytes:
        return self._data.partition(b"\n")[0] + b"\n"


def wrapped(source: str) -> str:
    """The program as a function, after its imports; as it is where Python cannot take it apart.

    A last `if __name__ == "__main__":` gives way to what is in it.
    """
    try:
        return _as_function(_without_main_guard(source))
    except Exception:  # the official grader goes on with the text, whatever was wrong
        return _without_main_guard(source)


def _without_main_guard(source: str) -> str:
    try:
        tree = ast.parse(source)
        last = tree.body[-1]
        if isinstance(last, ast.If) and ast.unparse(last.test).strip() == MAIN_GUARD:
            return _unparse(tree.body[:-1]) + "\n" + _unparse(last.body)
    except Exception:
        pass
    return source


def _as_function(source: str) -> str:
    body = ast.parse(source).body
    imports: list[ast.stmt] = [each for each in body if isinstance(each, ast.Import | ast.ImportFrom)]
    others = [each for each in body if not isinstance(each, ast.Import | ast.ImportFrom)]
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef(name=WRAPPED, args=nothing, body=others, decorator_list=[], lineno=-1)
    return "\n".join([PRELUDE, _unparse(imports), ast.unparse(function)])


def _unparse(statements: list[ast.stmt]) -> str:
    return ast.unparse(statements)  # type: ignore[arg-type]  # it takes lists, as of nodes with bodies


def load(source: str, name: str, alarm: Alarm, limit_s: float) -> Any:
    """The function of that name in the program, or the method where the text speaks of a class Solution."""
    alarm.start(limit_s)
    try:
        module = ModuleType("tmp_sol", "")
        exec(compile(source, "<string>", "exec", dont_inherit=True), vars(module))
        holder = module.Solution() if "class Solution" in source else module
    finally:
        alarm.stop()
    return getattr(holder, name)


def answer_cases(part: dict[str, Any], reporter: Reporter, alarm: Alarm) -> None:
    """Runs the program on the cases that come, until none does. `part` is what the judge got for it."""
    sample.level_stack(part["rules"])
    limit_s, function = part["case_s"], part["function"]
    alarm = PrintingAlarm(alarm.watch)
    sys.set_int_max_str_digits(LARGEST_INTEGER)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if function:
        method = load(PRELUDE + "\n\n" + part["source"], function, alarm, limit_s)
    else:
        alarm.start(limit_s)
        try:
            source = wrapped(part["source"])
        finally:
            alarm.stop()
        method = load(source, WRAPPED, alarm, limit_s)
    while (given := wire.read_job(reporter.control_fd)) is not None:
        answer = _called(method, given, alarm, limit_s) if function else _printed(method, given, alarm, limit_s)
        if len(answer) > LARGEST_ANSWER:
            raise AssertionError(f"answered {len(answer) >> 20} MiB")
        reporter.frame(b"o", answer)
        reporter.flush()


def _called(method: Any, args: list[Any], alarm: Alarm, limit_s: float) -> bytes:
    alarm.start(limit_s)
    try:
        returned = method(*args)
    except SystemExit as left:
        raise Left(f"SystemExit: {left}") from None
    finally:
        alarm.stop()
    return codec.encode(returned)


def _printed(method: Any, text: str, alarm: Alarm, limit_s: float) -> bytes:
    alarm.start(limit_s)
    before = sys.stdout
    sys.stdout = captured = io.StringIO()
    captured.close = lambda _: None  # type: ignore[method-assign,assignment,misc]  # so that closing it fails, as there
    try:
        _run(method, text)
    finally:
        alarm.stop()
        sys.stdout = before
    return captured.getvalue().encode("utf-8", "surrogatepass")


def _run(method: Any, text: str) -> None:
    """The program with its input in place. To leave is to end well here.

    The official grader's patches of `sys.stdin.read` and so on are of the object that is there before: the one that
    programs have by `from sys import stdin`.
    """
    lines = iter(text.split("\n"))
    with ExitStack() as stack:
        stack.enter_context(patch("sys.stdin.read", lambda *_: text))
        stack.enter_context(patch("sys.stdin.readlines", lambda *_: text.split("\n")))
        stack.enter_context(patch("sys.stdin.readline", lambda *_: next(lines)))
        stack.enter_context(patch("sys.stdin", Input(text)))
        stack.enter_context(patch("builtins.open", mock_open(read_data=text)))
        with suppress(SystemExit):
            method()


def main(part: dict[str, Any], reporter: Reporter, uid: int, workdir: str, links: tuple[int, ...]) -> None:
    """The whole life of the process."""
    sample.main(part, reporter, uid, workdir, links, run=answer_cases)
