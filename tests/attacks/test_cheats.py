"""Python programs that try to pass without solving the problem: none may."""

import pytest
from attack import Attack, calls_program, load, marked, python_program, suite_program
from target import Target

pytestmark = pytest.mark.docker

IN_PROCESS = load("python/leaving", "python/equality", "python/patching", "python/reaching", "python/forging")
CALLED = load("python/calls")
TESTED = load("python/suites")


@pytest.mark.parametrize("attack", marked(IN_PROCESS))
def test_checks_in_its_process(attack: Attack, target: Target) -> None:
    outcome = target.run(python_program(attack.source, attack.problem, attack.rules, attack.time_s))
    assert outcome.status in attack.ends, f"{attack.tries}: {outcome}"
    target.assert_fresh()


@pytest.mark.parametrize("attack", marked(CALLED))
def test_outputs_compared_by_the_judge(attack: Attack, target: Target) -> None:
    outcome = target.run(calls_program(attack.source, attack.problem))
    assert outcome.status in attack.ends, f"{attack.tries}: {outcome}"
    target.assert_fresh()


@pytest.mark.parametrize("attack", marked(TESTED))
def test_suites_in_its_process(attack: Attack, target: Target) -> None:
    outcome = target.run(suite_program(attack.source, attack.problem))
    assert outcome.status in attack.ends, f"{attack.tries}: {outcome}"
    target.assert_fresh()
