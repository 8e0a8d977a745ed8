"""Builds the messages about a program for the agent: the job, and the tests hidden from the sample."""

import random
import secrets

from evalharness.errors import UserError
from evalharness.records import (
    CallsProgram,
    CasesProgram,
    Checks,
    CommandProgram,
    EvalPlusCallRules,
    ExecProgram,
    ProcessRules,
    Program,
    ReferenceSolution,
    UnitTestProgram,
)
from evalharness.sandbox.agent.shared.messages import (
    CallSettings,
    CallsHiddenTests,
    CallsJob,
    CasesHiddenTests,
    CasesJob,
    CommandJob,
    ExecHiddenTests,
    ExecJob,
    HiddenTests,
    Job,
    NoHiddenTests,
    ProcessSettings,
    ReferenceJob,
    UnitTestHiddenTests,
    UnitTestJob,
)
from evalharness.sandbox.languages import Language, language_rules, languages_by_image
from evalharness.sandbox.tampering.canaries import append_print_of_secret_token, make_canaries
from evalharness.sandbox.tampering.harmless import can_only_compute, source_without_checks
from evalharness.sandbox.tampering.suite_canary import make_false_suites, protect_builtins_in_tests

RANDOM = random.SystemRandom()
SUSPICIOUS_RUNS = 5
"""How often a program that is not harmless (its text does not show that it only computes) must pass with its right
tests, and how many canaries (copies with a test made false) it must fail. A program that passes each run with
probability p passes the check with p^5 (1 - p)^5, at most 1 in 1,024.
"""


def _canary_run_count(compute_only: bool) -> int:
    """Returns how often a program with a `unittest` suite runs with false tests (canaries), which it must fail.

    `compute_only`: whether the program's text shows that the program can only compute.
    """
    return 1 if compute_only else SUSPICIOUS_RUNS


def build_job_message(program: Program) -> Job:
    """Returns the message that makes the sandbox agent run a program.

    Raises UserError if the program needs a language.yaml and its image has none.
    """
    source, time_s, memory_mb = program.source, program.limits.time_s, program.limits.memory_mb
    compute_only = can_only_compute(program)
    match program:
        case ExecProgram():
            return ExecJob(
                kind="exec",
                source=source_without_checks(program),
                split=program.checks is not None and not compute_only,
                harmless=compute_only,
                settings=_make_process_settings(program.rules),
                time_s=time_s,
                memory_mb=memory_mb,
            )
        case CallsProgram():
            return CallsJob(
                kind="calls",
                source=source,
                entry_point=program.reference.entry_point,
                inputs=dict(program.reference.groups),
                settings=_make_process_settings(program.rules),
                calls=_make_call_settings(program.calls),
                harmless=compute_only,
                memory_mb=memory_mb,
            )
        case CasesProgram():
            return CasesJob(
                kind="cases",
                source=source,
                function=program.cases.function,
                case_s=time_s,
                harmless=compute_only,
                settings=_make_process_settings(program.rules),
                memory_mb=memory_mb,
            )
        case UnitTestProgram():
            return UnitTestJob(
                kind="unittest",
                right_runs=1 if compute_only else SUSPICIOUS_RUNS,
                false_runs=_canary_run_count(compute_only),
                settings=_make_process_settings(program.rules),
                time_s=time_s,
                memory_mb=memory_mb,
            )
        case CommandProgram():
            return _build_command_job(program, compute_only)


def build_hidden_tests_message(program: Program, expected_outputs: bytes) -> HiddenTests:
    """Returns the message with the parts of a program's job that its sample must not see, such as tests.

    `expected_outputs` are the outputs of the program's reference solution in the agent's encoding; empty if it has no
    reference solution.
    """
    match program:
        case ExecProgram():
            checks = program.checks or Checks("")
            return ExecHiddenTests(
                program=source_with_checks(program),
                checks=checks.text,
                trusted=checks.trusted,
                entry_point=checks.entry_point,
            )
        case CallsProgram():
            return CallsHiddenTests(expected=expected_outputs, reference=program.reference.source)
        case CasesProgram():
            return CasesHiddenTests(public=program.cases.public, private=program.cases.private)
        case UnitTestProgram():
            tests = protect_builtins_in_tests(program.source, program.checks.text)
            suites = make_false_suites(tests, _canary_run_count(can_only_compute(program)))
            false = [(f"{program.source}\n{suite.tests}", suite.failing) for suite in suites]
            return UnitTestHiddenTests(program=source_with_checks(program), canaries=false)
        case CommandProgram():
            return NoHiddenTests()


def build_reference_job_message(reference: ReferenceSolution, memory_mb: int) -> ReferenceJob:
    """Returns the message that makes the sandbox agent run a reference solution and record its outputs."""
    return ReferenceJob(
        kind="reference",
        source=reference.source,
        entry_point=reference.entry_point,
        inputs=dict(reference.groups),
        output_not_none=reference.output_not_none,
        memory_mb=memory_mb,
    )


def source_with_checks(program: ExecProgram | UnitTestProgram) -> str:
    """Returns the program's source followed by its checks (tests), if it has any."""
    if program.checks is None:
        return program.source
    text = program.checks.text
    checks = protect_builtins_in_tests(program.source, text) if isinstance(program, UnitTestProgram) else text
    return f"{program.source}\n{checks}"


def _make_process_settings(rules: ProcessRules) -> ProcessSettings:
    return ProcessSettings(guard=rules.guard, stack_depth=rules.stack_depth, address_space_mb=rules.address_space_mb)


def _make_call_settings(rules: EvalPlusCallRules) -> CallSettings:
    return CallSettings(
        edition=rules.edition,
        oracle=rules.oracle,
        atol=rules.atol,
        min_time_s=rules.min_time_s,
        time_factor=rules.time_factor,
        max_time_s=rules.max_time_s,
    )


def _build_command_job(program: CommandProgram, compute_only: bool) -> CommandJob:
    language = languages_by_image().get(program.image)
    if language is None:
        raise UserError(
            f"sandbox image {program.image!r} has no language.yaml, which says how programs run; add one, or use "
            "another image in the task card"
        )
    token, tests = "", [""]
    if program.checks:
        token = secrets.token_hex(16)
        false_tests = _make_false_tests(program.checks.text, language, token, compute_only)
        tests = [append_print_of_secret_token(program.checks.text, language.tests, token), *false_tests]
    programs = [_utf8_bytes(f"{program.source}\n{text}") for text in tests]
    return CommandJob(
        kind="command",
        **language_rules(language),
        program=programs[0],
        right_runs=1 if compute_only or not program.checks else SUSPICIOUS_RUNS,
        canaries=programs[1:],
        token=token.encode(),
        memory_mb=program.limits.memory_mb,
    )


def _make_false_tests(tests: str, language: Language, secret_token: str, compute_only: bool) -> list[str]:
    """Returns canaries: copies of the tests, each with one test made false. Each copy prints `secret_token` at its end.

    Returns one copy if the program's text shows that the program can only compute (`compute_only`). Otherwise returns
    one copy for each test, and at least `SUSPICIOUS_RUNS`; or exactly `SUSPICIOUS_RUNS` if programs are compiled, which
    is expensive. Returns no copy if no test can be made false.
    """
    canaries = list(make_canaries(tests, language.tests, secret_token))
    if compute_only or not canaries:
        return RANDOM.sample(canaries, min(1, len(canaries)))
    while len(canaries) < SUSPICIOUS_RUNS:
        canaries += make_canaries(tests, language.tests, secret_token)
    return RANDOM.sample(canaries, SUSPICIOUS_RUNS) if len(language.steps) > 1 else canaries


def _utf8_bytes(text: str) -> bytes:
    """Returns a program's text as UTF-8 bytes.

    Surrogates become the bytes that they stand for (surrogateescape); if one stands for no byte, all become question
    marks.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="replace")
