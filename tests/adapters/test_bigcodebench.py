"""BigCodeBench: the prompts of both splits, calibration, and problems that cannot be solved in the image."""

from typing import Any

import pytest
from helpers.task_data import OpenTask

from evalharness.adapters.bigcodebench import SOLVABILITY_FACET, reference_failures_by_task_id
from evalharness.errors import UserError
from evalharness.records import Completion, Execution, Message, Outcome, Problem, Prompt, Task
from evalharness.sandbox.jobs import source_with_checks

CODE = "import os\ndef task_func(x):\n"
COMPLETE = 'import os\n\ndef task_func(x):\n    """\n    Says {x}.\n    """\n'
INSTRUCT = "Says {x}.\nYou should write self-contained code starting with:\n```\nimport os\ndef task_func(x):\n```"
TEST = "import unittest\nclass TestCases(unittest.TestCase):\n    pass\n"
ASK = "Please provide a self-contained Python script that solves the following problem in a markdown code block:\n"
EOS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")


def record(number: int) -> dict[str, Any]:
    return {
        "task_id": f"BigCodeBench/{number}",
        "complete_prompt": COMPLETE,
        "instruct_prompt": INSTRUCT,
        "canonical_solution": "    return x",
        "code_prompt": CODE,
        "test": TEST,
        "entry_point": "task_func",
    }


def problem_of(open_with: OpenTask, number: int = 2, **options: str) -> tuple[Task, Problem]:
    task, problems = open_with("bigcodebench", [record(2), record(101)], **options)
    return task, problems[f"BigCodeBench/{number}"]


def source(task: Task, problem: Problem, text: str, form: Any = "answer") -> str:
    program = task.program(problem, Completion(problem.task_id, 0, text, form=form))
    assert program
    return program.source


def test_a_base_model_continues_the_docstring(open_with: OpenTask) -> None:
    """bigcodebench/generate.py, provider/utility.py `EOS`, `extra_eos_for_direct_completion`."""
    task, problem = problem_of(open_with, calibrated="no")
    stops = (*EOS, "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
    assert problem.prompt == Prompt(text=COMPLETE, stops=stops)
    assert source(task, problem, "\treturn x\n").endswith('"""\n    return x')


@pytest.mark.parametrize(
    ("split", "shown"), [("complete", f"```\n{COMPLETE.strip()}\n```\n"), ("instruct", f"{INSTRUCT}\n")]
)
def test_chat(open_with: OpenTask, split: str, shown: str) -> None:
    """bigcodebench/provider/utility.py `make_raw_chat_prompt`."""
    _, problem = problem_of(open_with, recipe="chat", split=split)
    assert problem.prompt == Prompt(messages=(Message("user", ASK + shown),))
    _, problem = problem_of(open_with, recipe="chat-prefill", split=split)
    assert problem.prompt.messages == (Message("user", ASK + shown),)
    assert problem.prompt.prefill.endswith("solves the problem and passes corresponding tests:\n```python\n")
    assert problem.prompt.stops == EOS


def test_a_completion_recipe_rejects_instructions(open_with: OpenTask) -> None:
    with pytest.raises(UserError, match="recipe=chat"):
        problem_of(open_with, split="instruct")


def test_calibration_is_the_default(open_with: OpenTask) -> None:
    """bigcodebench/evaluate.py `evaluate`: `code_prompt` and an empty body come first."""
    task, problem = problem_of(open_with)
    head = f"{CODE}\n    pass\n"
    assert source(task, problem, "def task_func(x): return x", "solution") == f"{head}def task_func(x): return x"
    assert source(task, problem, "    return x", "completion") == f"{head}{COMPLETE}    return x"
    assert source(task, problem, f"{head}def task_func(x): pass", "solution") == f"{head}def task_func(x): pass"
    assert problem.reference == f"{COMPLETE}\n    return x"


def test_calibration_can_be_turned_off(open_with: OpenTask) -> None:
    task, problem = problem_of(open_with, calibrated="no")
    assert source(task, problem, "x = 1", "solution") == "x = 1"
    with pytest.raises(UserError, match="unknown calibrated of task bigcodebench"):
        problem_of(open_with, calibrated="maybe")


def test_tests_follow_the_solution(open_with: OpenTask) -> None:
    task, problem = problem_of(open_with, calibrated="no")
    program = task.program(problem, Completion(problem.task_id, 0, "class TestCases: pass", form="solution"))
    assert program
    assert source_with_checks(program) == f"class TestCases: pass\n{TEST}"
    assert program.limits.time_s == 241


def test_the_verdict_tells_problems_that_cannot_pass_in_the_image(open_with: OpenTask) -> None:
    task, problem = problem_of(open_with, 101)
    cause = reference_failures_by_task_id("bigcodebench")[problem.task_id]
    assert problem.facets == {SOLVABILITY_FACET: "cannot pass: network"}
    failed = Execution({"checks": Outcome("failed", "AssertionError")})
    completion = Completion(problem.task_id, 0, "")
    assert task.verdict(completion, failed).detail == f"cannot pass in this image ({cause}); AssertionError"
    assert task.verdict(completion, Execution({"checks": Outcome("passed")})).detail == ""
    assert task.verdict(completion, Execution(infrastructure="gone")).detail == "gone"
    _, other = problem_of(open_with, 2)
    assert other.facets == {SOLVABILITY_FACET: "can pass"}


def test_every_cause_has_a_kind() -> None:
    causes = reference_failures_by_task_id("bigcodebench")
    assert len(causes) < 0.03 * 1140
    assert all(cause.partition(":")[2].strip() for cause in causes.values())
    assert reference_failures_by_task_id("python") == {}
