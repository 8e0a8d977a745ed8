"""Which outcomes may depend on the load and the speed of the machine."""

import pytest

from evalharness.records import CommandProgram, ExecProgram, Execution, Limits, Outcome
from evalharness.sandbox.load_sensitivity import mark_borderline, needs_quiet_rerun


@pytest.mark.parametrize(
    ("status", "waited_s", "cpu_s", "again"),
    [
        ("timeout", 2.0, 2.0, True),
        ("timeout", 0.01, 3.9, False),
        ("timeout", 0.01, 1.0, True),
        ("timeout", 3.0, 3.9, False),
        ("timeout", 0.01, 0.1, False),
        ("failed", 2.0, 1.0, False),
    ],
)
def test_timeout_that_may_be_due_to_the_load_needs_a_quiet_rerun(
    status: str, waited_s: float, cpu_s: float, again: bool
) -> None:
    outcome = Outcome(status, wall_s=4.0, waited_s=waited_s, cpu_s=cpu_s)  # type: ignore[arg-type]
    assert needs_quiet_rerun(Execution({"checks": outcome})) == again


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
def test_pass_near_the_limit_is_borderline(outcome: Outcome, flagged: bool) -> None:
    program = ExecProgram("python", "", Limits(time_s=3.0))
    assert bool(mark_borderline(program, Execution({"checks": outcome})).borderline) == flagged


def test_each_step_has_its_own_limit() -> None:
    program = CommandProgram("cpp", "", Limits(time_s=0))
    execution = Execution({"compile": Outcome("passed", wall_s=14.0), "run": Outcome("passed", wall_s=0.1)})
    assert mark_borderline(program, execution).borderline == "the part compile used 14.0 s of its time limit of 15 s"
