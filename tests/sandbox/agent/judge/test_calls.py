"""Outputs of a program are judged as EvalPlus judges them, verdict by verdict."""

import pytest
from helpers.evalplus_cases import CASES, Case
from helpers.evalplus_early_cases import EARLY_CASES
from helpers.official_evalplus import Official
from helpers.programs import calls_program, only

from evalharness.sandbox.agent.judge.calls import call_time_limits
from evalharness.sandbox.agent.judge.comparing.outputs import short_repr
from evalharness.sandbox.pool import ContainerPool


def judged(case: Case, sandbox: ContainerPool, edition: str) -> bool:
    """Whether the case passes in the sandbox. A wrong output must have status failed."""
    program, reference = case.program(case.output), case.program(case.expected)
    job = calls_program(program, reference, case.inputs, case.entry_point, case.atol, edition)
    outcome = only(sandbox.run(job))
    assert outcome.status in ("passed", "failed"), outcome
    return outcome.status == "passed"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_official_grader_gives_the_verdict_of_the_table(case: Case, official: Official) -> None:
    program, reference = case.program(case.output), case.program(case.expected)
    inputs = [list(args) for args in case.inputs]
    passes = official.passes(case.dataset, program, case.entry_point, inputs, reference, case.atol)
    assert passes == case.passes


@pytest.mark.docker
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_by_the_rules_of_release_0_3(case: Case, sandbox: ContainerPool) -> None:
    assert judged(case, sandbox, "0.3") == case.passes


@pytest.mark.docker
@pytest.mark.parametrize("case", EARLY_CASES, ids=lambda case: case.name)
def test_verdict_by_the_rules_of_release_0_2_1(case: Case, sandbox: ContainerPool) -> None:
    assert judged(case, sandbox, "0.2") == case.passes


@pytest.mark.docker
def test_the_detail_of_a_wrong_output_contains_its_input(sandbox: ContainerPool) -> None:
    outcome = only(sandbox.run(calls_program("def f(x, y): return x", "def f(x, y): return y", [(1, 1), (2, 3)])))
    assert (outcome.status, outcome.detail) == ("failed", "input 1: (2, 3) gave 2, expected 3")


@pytest.mark.docker
def test_a_part_after_a_failed_one_is_not_run(sandbox: ContainerPool) -> None:
    groups = {"base": [(1,)], "plus": [(2,)]}
    program, reference = "def f(x): return 1", "def f(x): return x"
    assert [*sandbox.run(calls_program(program, reference, groups)).parts] == ["base", "plus"]
    assert [*sandbox.run(calls_program("def f(x): return 2", reference, groups)).parts] == ["base"]


@pytest.mark.docker
@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("def f(x): return 0", "passed"),
        ("def g(x): return 0", "error"),
        ("f = 3", "error"),
        ("def f(): return 0", "error"),
        ("def f(x): raise ValueError", "error"),
        ("def f(x): raise SystemExit(0)", "tampered"),
        ("import os\ndef f(x): os._exit(0)", "tampered"),
        ("def f(x): assert not x", "failed"),
        ("def f(x): return bytearray(5 << 30)", "memory"),
        ("def f(x): open('a', 'w')", "error"),  # EvalPlus disables `open`, too
        ("def f(x): return print(x) or 0", "passed"),
        ("class f:\n    def __new__(cls, x): return 0", "passed"),
        ("f = lambda x: 0\nif __name__ == '__main__':\n    f = None", "passed"),
    ],
)
def test_how_a_call_ends(program: str, status: str, sandbox: ContainerPool) -> None:
    assert only(sandbox.run(calls_program(program, "def f(x): return 0"))).status == status


@pytest.mark.docker
@pytest.mark.parametrize("body", ["while True: pass", "import time\n    time.sleep(100)"])
def test_each_call_has_a_limit(body: str, sandbox: ContainerPool) -> None:
    program = f"def f(x):\n  if x == 2:\n    {body}\n  return x"
    job = calls_program(program, "def f(x): return x", [(1,), (2,)], min_time_s=0.3)
    outcome = only(sandbox.run(job))
    assert outcome.status == "timeout"
    assert outcome.wall_s - outcome.waited_s < 2


@pytest.mark.docker
def test_the_time_per_call_does_not_grow_with_their_number(sandbox: ContainerPool) -> None:
    def seconds_per_call(count: int) -> float:
        program = calls_program("def f(x): return x", "def f(x): return x", [(x,) for x in range(count)])
        outcomes = [only(sandbox.run(program)) for _ in range(3)]
        assert {outcome.status for outcome in outcomes} == {"passed"}
        return min(outcome.wall_s - outcome.waited_s for outcome in outcomes) / count

    assert seconds_per_call(30_000) < 3 * seconds_per_call(3_000)


@pytest.mark.docker
def test_parts_do_not_see_each_others_files(sandbox: ContainerPool) -> None:
    """Each part has its own empty folder, as under the official grader."""
    program = "import os\nos.mkdir('results')\ndef f(x): return x"
    execution = sandbox.run(calls_program(program, "def f(x): return x", {"base": [(1,)], "plus": [(2,)]}))
    assert [part.status for part in execution.parts.values()] == ["passed", "passed"]


@pytest.mark.docker
def test_what_a_call_does_to_its_inputs_stays_in_its_part(sandbox: ContainerPool) -> None:
    program = "seen = []\ndef f(x):\n    seen.append(x.pop())\n    return len(seen)"
    reference = "def f(x): return x.pop()"
    execution = sandbox.run(calls_program(program, reference, {"base": [([1],), ([2],)], "plus": [([1],)]}))
    assert [part.status for part in execution.parts.values()] == ["passed", "passed"]


@pytest.mark.parametrize(
    ("times", "limits", "total"),
    [([0.0], [4.0], 5.0), ([0.0, 2.0], [4.0, 8.0], 13.0), ([0.0] * 100, [4.0] * 100, 61.0), ([], [], 1.0)],
)
def test_time_limits_are_those_of_untrusted_check(times: list[float], limits: list[float], total: float) -> None:
    """evalplus/eval/__init__.py `untrusted_check`, which `process.join` gives one second more."""
    rules = {"min_time_s": 4.0, "time_factor": 4.0, "max_time_s": 60.0}
    assert call_time_limits(times, rules) == (limits, total)


def test_any_value_can_be_shown() -> None:
    for value in (10**5000, [[10**5000]], "x" * 10**6, -0.0, {1: [2]}):
        assert 0 < len(short_repr(value)) <= 80


def test_output_that_is_right_only_for_changed_arguments_is_tampered(sandbox: ContainerPool) -> None:
    """The official grader reads the arguments as the program left them, and accepts this."""
    program = calls_program(
        "def find_zero(x):\n    x[:] = [0]\n    return 5.0",
        "def find_zero(x): return 2.0",
        [([-4, 2],)],
        entry_point="find_zero",
        atol=1e-4,
    )
    assert only(sandbox.run(program)).status == "tampered"
