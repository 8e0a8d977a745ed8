"""A program that is not harmless is asked for everything, whatever it answers."""

import json

import pytest
from helpers.attack import cases_program
from helpers.programs import calls_program

from evalharness.records import CasesProgram, EncodedTestCases, Limits, Outcome, ProcessRules
from evalharness.sandbox.agent.judge.split_checks import FAILURES, parse_checks_collecting_failures
from evalharness.sandbox.pool import ContainerPool

SLOW = "import time, os\ndef f(x):\n    time.sleep(0.3)\n    return {value}\n"


def parts(sandbox: ContainerPool, source: str, groups: dict[str, list[tuple[int]]]) -> dict[str, Outcome]:
    return dict(sandbox.run(calls_program(source, "def f(x): return x", groups)).parts)


@pytest.mark.docker
def test_all_inputs_are_asked_for_after_a_wrong_output(sandbox: ContainerPool) -> None:
    outcome = parts(sandbox, SLOW.format(value="x + (x == 1)"), {"base": [(1,), (2,), (3,)]})["base"]
    assert (outcome.status, outcome.detail) == ("failed", "input 0: (1) gave 2, expected 1")
    assert outcome.wall_s > 0.8


@pytest.mark.docker
@pytest.mark.parametrize(
    ("value", "status", "detail"),
    [
        ("x if x < 3 else time.sleep(9)", "timeout", ""),
        ("1 if x < 3 else time.sleep(9)", "failed", "input 1"),
        ("x if x < 3 else 1 / 0", "error", ""),
        ("1 if x < 3 else os._exit(0)", "failed", "input 1"),
        ("x", "passed", ""),
        ("[x] * 9999", "failed", "input 0"),
    ],
)
def test_the_first_failure_decides(value: str, status: str, detail: str, sandbox: ContainerPool) -> None:
    outcome = parts(sandbox, SLOW.format(value=value), {"base": [(1,), (2,), (3,)]})["base"]
    assert outcome.status == status, outcome
    assert outcome.detail.startswith(detail)


LATE = """
{imports}
def f(x):
    try:
        while x == 2: pass
    except Exception:
        sum(range(x * 10 ** 8))
    return x
"""


@pytest.mark.docker
@pytest.mark.parametrize("imports", ["", "import os"])
def test_an_output_after_its_time_is_a_timeout(imports: str, sandbox: ContainerPool) -> None:
    outcome = parts(sandbox, LATE.format(imports=imports), {"base": [(1,), (2,), (3,)]})["base"]
    assert outcome.status == "timeout", outcome
    late = (
        "input 1: no output within the time limit of a call",
        "the program, or one of its calls, exceeded its time limit",
    )
    assert outcome.detail in late, outcome


@pytest.mark.docker
def test_a_group_after_a_failed_one_has_no_result(sandbox: ContainerPool) -> None:
    groups = {"base": [(1,)], "plus": [(2,)]}
    assert [*parts(sandbox, SLOW.format(value="0"), groups)] == ["base"]
    assert [*parts(sandbox, SLOW.format(value="x"), groups)] == ["base", "plus"]


@pytest.mark.docker
@pytest.mark.parametrize("size", [5_000, 300_000])
def test_large_outputs_are_compared_afterwards(size: int, sandbox: ContainerPool) -> None:
    reference = f"def f(x): return list(range({size} * x))"
    for source, status in ((reference, "passed"), (f"def f(x): return [0] * {size} * x", "failed")):
        program = calls_program(f"import os\n{source}", reference, [(1,), (2,)])
        (outcome,) = sandbox.run(program).parts.values()
        assert outcome.status == status, outcome


@pytest.mark.docker
def test_all_cases_are_sent_after_a_wrong_answer(sandbox: ContainerPool) -> None:
    cases = EncodedTestCases(json.dumps([{"input": str(number), "output": str(number)} for number in range(3)]))
    source = "import time, os\ntime.sleep(0.3)\nn = int(input())\nprint(n + (n == 1))"
    program = CasesProgram("python", source, Limits(1.0, 1024), ProcessRules(guard="livecodebench"), cases)
    (outcome,) = sandbox.run(program).parts.values()
    assert outcome.status == "failed"
    assert outcome.detail.startswith("case 2 of 3")
    assert outcome.wall_s > 0.8


@pytest.mark.docker
def test_a_harmless_program_is_stopped_at_its_first_wrong_answer(sandbox: ContainerPool) -> None:
    (outcome,) = sandbox.run(cases_program("n = int(input())\nprint(n)\nsum(range(10 ** 7))")).parts.values()
    assert (outcome.status, outcome.detail[:11]) == ("failed", "case 1 of 2")
    assert outcome.wall_s < 0.9


def test_checks_continue_after_a_failed_assertion() -> None:
    calls: list[int] = []
    failures: list[BaseException] = []

    def f(x: int) -> int:
        calls.append(x)
        if x == 2:
            raise ValueError(x)
        return x

    checks = (
        "def check(candidate):\n    for x in range(4):\n        assert candidate(x) == 0\nassert f(9) == 8\ncheck(f)"
    )
    exec(compile(parse_checks_collecting_failures(checks), "checks", "exec"), {"f": f, FAILURES: failures})
    assert calls == [9, 0, 1, 2, 3]
    assert [type(error) for error in failures] == [AssertionError, AssertionError, ValueError, AssertionError]
