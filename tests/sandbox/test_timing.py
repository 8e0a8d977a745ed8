"""Which verdicts hang on how fast the machine was."""

import pytest

from evalharness.records import CommandProgram, ExecProgram, Execution, Limits, Outcome
from evalharness.sandbox.timing import may_owe_its_timeout_to_others, near_limit


@pytest.mark.parametrize(
    ("status", "waited_s", "cpu_s", "again"),
    [
        ("timeout", 2.0, 2.0, True),
        ("timeout", 0.01, 3.9, False),
        ("timeout", 0.01, 1.0, True),
        ("timeout", 0.01, 0.1, False),
        ("failed", 2.0, 1.0, False),
    ],
)
def test_who_did_not_use_up_its_time_by_itself_is_run_again(
    status: str, waited_s: float, cpu_s: float, again: bool
) -> None:
    outcome = Outcome(status, wall_s=4.0, waited_s=waited_s, cpu_s=cpu_s)  # type: ignore[arg-type]
    assert may_owe_its_timeout_to_others(Execution({"checks": outcome})) == again


@pytest.mark.parametrize(
    ("outcome", "flagged"),
    [
        (Outcome("passed", wall_s=2.9, cpu_s=0.1), True),
        (Outcome("passed", wall_s=9.0, waited_s=8.0, cpu_s=0.9), False),
        (Outcome("passed", wall_s=9.0, waited_s=8.0, cpu_s=2.5), True),
        (Outcome("passed", wall_s=0.1), False),
        (Outcome("failed", wall_s=2.9), False),
    ],
)
def test_what_passed_with_little_time_to_spare_is_flagged(outcome: Outcome, flagged: bool) -> None:
    program = ExecProgram("python", "", Limits(time_s=3.0))
    assert bool(near_limit(program, Execution({"checks": outcome})).borderline) == flagged


def test_steps_have_limits_of_their_own() -> None:
    program = CommandProgram("cpp", "", Limits(time_s=0))
    execution = Execution({"compile": Outcome("passed", wall_s=14.0), "run": Outcome("passed", wall_s=0.1)})
    assert near_limit(program, execution).borderline == "compile needed 14.0 of 15 s"
