"""How voters see an answer: as the program that the sandbox ran, in the same form for both models."""

from pathlib import Path

import pytest
from helpers.arena_runs import write_runs

from evalharness.adapters import open_task
from evalharness.arena.answers import ShownProblem
from evalharness.arena.entrants import load_entrants
from evalharness.arena.service.session import VotingSession
from evalharness.arena.store import VoteStore
from evalharness.records import Completion
from evalharness.report.runs import load_runs


def shown(task: str, recipe: str) -> ShownProblem:
    opened, _ = open_task(task, "sample", {"recipe": recipe} if recipe else {})
    return ShownProblem(opened.problems()[0], opened, task, "py")


def test_a_chat_answer_and_a_continuation_of_the_same_program_look_alike() -> None:
    continued, chat = shown("humaneval", "completion"), shown("humaneval", "chat")
    body = "    return 7\n"
    task_id = continued.problem.task_id
    first = continued.make_answer("a", Completion(task_id, 0, body, form="completion"))
    answer = f"Sure! As model M I write:\n```python\n{continued.problem.prefix}{body}```\nHope this helps."
    second = chat.make_answer("b", Completion(task_id, 0, answer))
    reference = continued.make_answer("c", Completion(task_id, 0, continued.problem.prefix + body, form="solution"))
    assert first.middle == reference.middle == "    return 7"
    assert first.program == reference.program
    assert "Sure" not in second.program
    assert second.program.strip() == first.program.strip()


def test_an_infilling_answer_is_its_middle() -> None:
    problem = shown("fim-single-line", "")
    key = problem.problem.task_id
    middle = problem.make_answer("a", Completion(key, 0, "    x = 1\n", form="completion"))
    assert middle.middle == "    x = 1"
    whole = problem.problem.prefix + "    x = 1\n" + problem.problem.suffix
    assert problem.make_answer("b", Completion(key, 0, whole, form="solution")).middle == "    x = 1"


def test_answers_in_two_forms_are_both_shown_as_programs(tmp_path: Path) -> None:
    entrants = load_entrants(load_runs([write_runs(tmp_path / "runs")]))
    key = next(iter(entrants.problems))
    problem = entrants.problems[key]
    entrants.measurements = dict.fromkeys(("heron-7b", "rewriter"), entrants.measurements["heron-7b"])
    entrants.problems = {key: problem}
    entrants.add_answer(
        key, problem.make_answer("rewriter", Completion(key[1], 0, "def g():\n    return 1\n", form="solution"))
    )
    view = VotingSession(entrants, VoteStore(tmp_path / "votes")).next_pair("Ada").pair
    assert view
    assert view.form == "program"
    texts = sorted((view.first.text, view.second.text), key=len)
    assert texts[0] == "def g():\n    return 1"
    assert texts[1].startswith(problem.problem.prefix.strip("\n"))


@pytest.mark.parametrize("task", ["humaneval", "bigcodebench", "multipl-e-js", "fim-single-line", "santacoder-fim-js"])
def test_the_reference_and_a_completion_look_alike(task: str) -> None:
    problem = shown(task, "")
    prefix, suffix, reference = problem.problem.prefix, problem.problem.suffix, problem.problem.reference
    assert reference
    middle = reference.removeprefix(prefix).removesuffix(suffix)
    answers = [
        problem.make_answer("a", Completion(problem.problem.task_id, 0, reference, form="solution")),
        problem.make_answer("b", Completion(problem.problem.task_id, 0, middle, form="completion")),
    ]
    assert [answer.middle for answer in answers] == [middle.rstrip()] * 2
    assert answers[0].program.strip() == answers[1].program.strip()


def test_mbpps_question_has_no_solved_examples() -> None:
    question = shown("mbpp", "").question
    assert question.count("Write a function") <= 1
    assert "assert" in question
    assert "[BEGIN]" not in question
