"""The jobs that the agent receives: first the sample's part, then, apart from it, what the sample must not see."""

import itertools
import secrets
from typing import Any

from evalharness.errors import UserError
from evalharness.records import (
    CallsProgram,
    CasesProgram,
    Checks,
    CommandProgram,
    ExecProgram,
    ProcessRules,
    Program,
    Reference,
    UnitTestProgram,
)
from evalharness.sandbox.agent.wire import dumps
from evalharness.sandbox.languages import Language, command_rules, languages
from evalharness.sandbox.tampering.canaries import canaries, with_token
from evalharness.sandbox.tampering.suite_canary import Canary, suite_canaries, with_own_builtins
from evalharness.sandbox.tampering.suspicion import is_suspicious

NOTHING = dumps([])


def sample_job(program: Program) -> dict[str, Any]:
    """The job of a program. Raises UserError for one that cannot be run in its image."""
    limits = {"time_s": program.limits.time_s, "memory_mb": program.limits.memory_mb}
    match program:
        case CommandProgram():
            return {"runner": "command", **_command(program), **limits}
        case CasesProgram():
            return {
                "runner": "cases",
                "source": program.source,
                "function": program.cases.function,
                "case_s": program.limits.time_s,
                "rules": _process_rules(program.rules),
                **limits,
            }
        case CallsProgram():
            rules, calls = _process_rules(program.rules), program.calls
            return {
                "runner": "calls",
                "source": program.source,
                "entry_point": program.reference.entry_point,
                "inputs": dict(program.reference.groups),
                "rules": {**rules, **vars(calls)},
                **limits,
            }
        case ExecProgram() | UnitTestProgram():
            is_exec = isinstance(program, ExecProgram)
            return {
                "runner": "exec" if is_exec else "unittest",
                "source": source_alone(program),
                "inputs": {"checks": NOTHING},
                "rules": _process_rules(program.rules),
                "apart": is_exec and _needs_separate_checks(program),
                **limits,
            }


def _process_rules(rules: ProcessRules) -> dict[str, Any]:
    return {name: value for name, value in vars(rules).items() if value is not None}


def secret_of(program: Program, expected: bytes) -> dict[str, Any]:
    """What the agent may read only after it has forked the processes that must not know it."""
    match program:
        case CasesProgram():
            return {"public": program.cases.public, "private": program.cases.private}
        case CallsProgram():
            return {"expected": expected, "source": program.reference.source}
        case CommandProgram():
            return {}
        case _:
            checks = program.checks or Checks("")
            return {
                "whole": whole_source(program),
                "canaries": _suite_canaries(program) if isinstance(program, UnitTestProgram) else [],
                "checks": checks.text,
                "trusted": checks.trusted,
                "entry_point": checks.entry_point,
            }


def whole_source(program: ExecProgram | UnitTestProgram) -> str:
    """The program with its checks, if it has any."""
    if program.checks is None:
        return program.source
    text = program.checks.text
    tests = with_own_builtins(program.source, text) if isinstance(program, UnitTestProgram) else text
    return f"{program.source}\n{tests}"


def source_alone(program: ExecProgram | UnitTestProgram) -> str:
    """The source without its checks, but with the blank lines that open them: a backslash may end it before those."""
    if not isinstance(program, ExecProgram) or program.checks is None:
        return program.source
    blank = "".join(itertools.takewhile("\n".__eq__, program.checks.text))
    return f"{program.source}\n{blank}"


def _needs_separate_checks(program: ExecProgram | UnitTestProgram) -> bool:
    checks = program.checks
    return checks is not None and is_suspicious(source_alone(program), checks.text, checks.entry_point)


def _suite_canaries(program: UnitTestProgram) -> list[Canary]:
    """Programs with false tests: see `suite_canaries`."""
    tests = with_own_builtins(program.source, program.checks.text)
    found = suite_canaries(program.source, tests)
    return [(f"{program.source}\n{text}", ask, failing) for text, ask, failing in found]


def _command(program: CommandProgram) -> dict[str, Any]:
    language = languages().get(program.image)
    if language is None:
        raise UserError(f"sandbox image {program.image!r} has no language.yaml, so it runs no programs by command")
    token, tests = "", [""]
    if program.checks:
        token = secrets.token_hex(16)
        tests = [with_token(program.checks.text, language.tests, token), *_canaries(program, language, token)]
    texts = [f"{program.source}\n{text}".encode(errors="surrogateescape") for text in tests]
    return {**command_rules(language), "text": texts[0], "canaries": texts[1:], "token": token.encode()}


def _canaries(program: CommandProgram, language: Language, token: str) -> list[str]:
    """Tests made false, to be run if the program passes: all of them, or one where compiling makes them expensive.

    A search for dangerous words misses some, so every program that passes is tried with at least one canary.
    """
    if not program.checks:
        return []
    found = list(canaries(program.checks.text, language.tests, token))
    expensive = len(language.steps) > 1 and not language.is_suspicious(program.source.removeprefix(program.checks.stem))
    return [secrets.choice(found)] if expensive and found else found


def reference_job(reference: Reference, memory_mb: int) -> dict[str, Any]:
    """The job that makes the expected outputs."""
    return {
        "runner": "reference",
        "source": reference.source,
        "entry_point": reference.entry_point,
        "inputs": dict(reference.groups),
        "rules": {"oracle": ""},
        "output_not_none": reference.output_not_none,
        "memory_mb": memory_mb,
    }
