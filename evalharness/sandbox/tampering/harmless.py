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
from evalharness.sandbox.tampering.plain_python import is_harmless_python
from evalharness.sandbox.tampering.plain_text import is_harmless_text
from evalharness.sandbox.tampering.vocabulary import CHECKED_VOCABULARY, livecodebench_vocabulary, unittest_vocabulary

TASK_FUNCTION = "task_func"
"""The name of the function that the tests of BigCodeBench call."""


@functools.lru_cache(256)
def is_harmless(program: Program) -> bool:
    """Returns whether a program's text shows that the program can only compute (no files, processes, network)."""
    source = program.source
    match program:
        case ExecProgram(checks=checks):
            checks = checks or Checks("")
            return is_harmless_python(
                source_without_checks(program), CHECKED_VOCABULARY, checks.text, checks.entry_point
            )
        case CallsProgram():
            return is_harmless_python(source)
        case CasesProgram():
            return is_harmless_python(source, livecodebench_vocabulary())
        case UnitTestProgram(checks=checks):
            return is_harmless_python(source, unittest_vocabulary(), checks.text, TASK_FUNCTION)
        case CommandProgram(image=image, checks=checks):
            language = languages_by_image().get(image)
            checks = checks or Checks("")
            own = source.removeprefix(checks.stem)
            return language is not None and is_harmless_text(own, language, checks.stem, checks.text)


def source_without_checks(program: ExecProgram) -> str:
    """Returns the program's source without its checks (tests), but with the blank lines at the start of the checks.

    If the source ends in a backslash, Python joins its last line with the first blank line, so the parser must see that
    line, too.
    """
    if program.checks is None:
        return program.source
    blank = "".join(itertools.takewhile("\n".__eq__, program.checks.text))
    return f"{program.source}\n{blank}"
