"""Decides whether a program is harmless: its text shows that it can do nothing but compute.

Such a program cannot leave files or processes for another run and cannot read, end or change its checks, so it runs in
a container that other samples have used. Any other program runs in its own namespaces or container, and with canaries
(tests made false, which it must fail). Nearly all honest samples of HumanEval and MBPP are harmless; `evalharness`
never fails a sample because it is not.
"""

import functools
import itertools

from evalharness.records import (
    CallsProgram,
    CasesProgram,
    Checks,
    CommandProgram,
    ExecProgram,
    Program,
    UnitTestProgram,
)
from evalharness.sandbox.languages import languages_by_image
from evalharness.sandbox.tampering.allowed_names import (
    DEFAULT_ALLOWED_NAMES,
    livecodebench_allowed_names,
    unittest_allowed_names,
)
from evalharness.sandbox.tampering.plain_python import python_source_can_only_compute
from evalharness.sandbox.tampering.plain_text import c_like_source_can_only_compute

TASK_FUNCTION = "task_func"
"""The name of the function that the tests of BigCodeBench call."""


@functools.lru_cache(256)
def can_only_compute(program: Program) -> bool:
    """Returns whether a program's text shows that the program can only compute (no files, processes, network)."""
    source = program.source
    match program:
        case ExecProgram(checks=checks):
            checks = checks or Checks("")
            return python_source_can_only_compute(
                source_without_checks(program), DEFAULT_ALLOWED_NAMES, checks.text, checks.entry_point
            )
        case CallsProgram():
            return python_source_can_only_compute(source)
        case CasesProgram():
            return python_source_can_only_compute(source, livecodebench_allowed_names())
        case UnitTestProgram(checks=checks):
            return python_source_can_only_compute(source, unittest_allowed_names(), checks.text, TASK_FUNCTION)
        case CommandProgram(image=image, checks=checks):
            language = languages_by_image().get(image)
            checks = checks or Checks("")
            own = source.removeprefix(checks.stem)
            return language is not None and c_like_source_can_only_compute(own, language, checks.stem, checks.text)


def source_without_checks(program: ExecProgram) -> str:
    """Returns the program's source without its checks (tests), but with the blank lines at the start of the checks.

    If the source ends in a backslash, Python joins its last line with the first blank line, so the parser must see that
    line, too.
    """
    if program.checks is None:
        return program.source
    blank = "".join(itertools.takewhile("\n".__eq__, program.checks.text))
    return f"{program.source}\n{blank}"
