"""No Python program passes without solving the problem."""

import pytest
from helpers.attack import Attack, calls_program, cases_program, load, marked, python_program, suite_program
from helpers.target import Target

pytestmark = pytest.mark.docker

IN_PROCESS = load("python/leaving", "python/equality", "python/patching", "python/reaching", "python/forging")
CALLED = load("python/calls")
TESTED = load("python/suites")
ANSWERING = load("python/cases")


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
def test_tests_of_a_class(attack: Attack, target: Target) -> None:
    outcome = target.run(suite_program(attack.source, attack.problem))
    assert outcome.status in attack.ends, f"{attack.tries}: {outcome}"
    target.assert_fresh()


@pytest.mark.parametrize("attack", marked(ANSWERING))
def test_answers_to_test_cases(attack: Attack, target: Target) -> None:
    outcome = target.run(cases_program(attack.source, attack.problem))
    assert outcome.status in attack.ends, f"{attack.tries}: {outcome}"
    target.assert_fresh()


@pytest.mark.parametrize("problem", ["numbers", "called", "long"])
def test_an_honest_answer_passes(problem: str, target: Target) -> None:
    honest = {
        "numbers": "print(int(input()) * 2)",
        "called": "class Solution:\n    def f(self, n): return n * 2",
        "long": "print(len(input()))",
    }
    outcome = target.run(cases_program(honest[problem], problem))
    assert outcome.status == "passed", outcome
