"""What the agent is sent for a program, without anything that the sample must not see."""

import itertools
import secrets
from typing import Any

from evalharness.errors import UserError
from evalharness.records import Checks, Program, Reference
from evalharness.sandbox.agent.wire import dumps
from evalharness.sandbox.languages import Language, command_rules, languages
from evalharness.sandbox.tampering.canaries import canaries, with_token
from evalharness.sandbox.tampering.suite_canary import Canary, suite_canaries, with_own_builtins
from evalharness.sandbox.tampering.suspicion import is_suspicious

NOTHING = dumps([])


def sample_job(program: Program) -> dict[str, Any]:
    """The job of a program. Raises UserError for one that cannot be run in its image."""
    limits = {"time_s": program.limits.time_s, "memory_mb": program.limits.memory_mb}
    if program.runner == "command":
        return {"runner": "command", **_command(program), **limits}
    if program.runner == "cases":
        return {"runner": "cases", **_answering(program), **limits}
    reference = program.reference
    return {
        "runner": program.runner,
        "source": source_alone(program),
        "entry_point": reference.entry_point if reference else "",
        "inputs": dict(reference.groups) if reference else {"checks": NOTHING},
        "rules": dict(program.rules),
        "apart": program.runner == "exec" and _has_to_be_checked_apart(program),
        **limits,
    }


def secret_of(program: Program, expected: bytes) -> dict[str, Any]:
    """What the agent may read only after it has forked the processes that must not know it."""
    if program.cases:
        return {"public": program.cases.public, "private": program.cases.private}
    checks, reference = program.checks or Checks(""), program.reference
    return {
        "expected": expected,
        "source": reference.source if reference else "",
        "whole": whole_source(program),
        "canaries": _suite_canaries(program),
        "checks": checks.text,
        "trusted": checks.trusted,
        "entry_point": checks.entry_point,
    }


def whole_source(program: Program) -> str:
    """The program with its checks, if it has any."""
    if program.checks is None:
        return program.source
    text = program.checks.text
    return f"{program.source}\n{with_own_builtins(program.source, text) if program.runner == 'unittest' else text}"


def source_alone(program: Program) -> str:
    """The source without its checks, but with the blank lines that open them: a backslash may end it before those."""
    if program.runner != "exec" or program.checks is None:
        return program.source
    blank = "".join(itertools.takewhile("\n".__eq__, program.checks.text))
    return f"{program.source}\n{blank}"


def _answering(program: Program) -> dict[str, Any]:
    return {
        "source": program.source,
        "function": program.cases.function if program.cases else "",
        "case_s": program.limits.time_s,
        "rules": dict(program.rules),
    }


def _has_to_be_checked_apart(program: Program) -> bool:
    checks = program.checks
    return checks is not None and is_suspicious(source_alone(program), checks.text, checks.entry_point)


def _suite_canaries(program: Program) -> list[Canary]:
    """Programs with false tests: see `suite_canaries`."""
    if program.runner != "unittest" or program.checks is None:
        return []
    tests = with_own_builtins(program.source, program.checks.text)
    found = suite_canaries(program.source, tests)
    return [(f"{program.source}\n{text}", ask, failing) for text, ask, failing in found]


def _command(program: Program) -> dict[str, Any]:
    language = languages().get(program.image)
    if language is None:
        raise UserError(f"sandbox image {program.image!r} has no language.yaml, so it runs no programs by command")
    token, tests = "", [""]
    if program.checks:
        token = secrets.token_hex(16)
        tests = [with_token(program.checks.text, language.tests, token), *_canaries(program, language, token)]
    texts = [f"{program.source}\n{text}".encode(errors="surrogateescape") for text in tests]
    return {**command_rules(language), "text": texts[0], "canaries": texts[1:], "token": token.encode()}


def _canaries(program: Program, language: Language, token: str) -> list[str]:
    """Tests made false, to be run if the program passes: all of them, or one where compiling makes them dear.

    Whoever looks for dangerous words misses some; so no program that passes goes without.
    """
    if not program.checks:
        return []
    found = list(canaries(program.checks.text, language.tests, token))
    dear = len(language.steps) > 1 and not language.is_suspicious(program.source.removeprefix(program.checks.stem))
    return [secrets.choice(found)] if dear and found else found


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
