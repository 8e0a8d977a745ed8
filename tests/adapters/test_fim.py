"""HumanEval-Infilling: the prompt, and the program that the grader runs."""

from typing import Any

import pytest
from helpers.task_data import OpenTask

from evalharness.data.cards import expand_task_names
from evalharness.errors import UserError
from evalharness.records import Completion, Problem, Prompt, Task
from evalharness.sandbox.jobs import source_with_checks

RECORD: dict[str, Any] = {
    "task_id": "SingleLineInfilling/HumanEval/0/L0",
    "entry_point": "area",
    "prompt": '\ndef area(r):\n    """ {prefix} {suffix} """\n',
    "canonical_solution": "    r = r * r\n",
    "suffix": "    return 3 * r\n",
    "test": "\n\ndef check(candidate):\n    assert candidate(0) == 0\n",
}
TAIL = "\n\n\ndef check(candidate):\n    assert candidate(0) == 0\n\ncheck(area)"
"""human_eval_infilling/execution.py: "\\n" + test + "\\n" + "check(entry_point)"."""


def open_recipe(open_with: OpenTask, recipe: str, task: str = "fim-single-line") -> tuple[Task, Problem]:
    adapter, problems = open_with(task, [RECORD], recipe=recipe)
    return adapter, problems[RECORD["task_id"]]


def source(open_with: OpenTask, recipe: str, text: str, form: str = "answer") -> str:
    task, problem = open_recipe(open_with, recipe)
    program = task.program(problem, Completion(problem.task_id, 0, text, form=form))  # type: ignore[arg-type]
    assert program is not None
    return source_with_checks(program)


@pytest.mark.parametrize(
    ("recipe", "middle", "stops"),
    [
        ("plain", "free", ()),
        ("first-line", "free", ("\n",)),
        ("overlap", "free", ()),
        ("canvas", "canvas", ()),
        ("length-search", "search", ()),
    ],
)
def test_infilling_prompt(recipe: str, middle: str, stops: tuple[str, ...], open_with: OpenTask) -> None:
    """Braces in a prompt are text."""
    _, problem = open_recipe(open_with, recipe)
    assert problem.prompt == Prompt(RECORD["prompt"], stops=stops, suffix=RECORD["suffix"], middle_length=middle)  # type: ignore[arg-type]


def test_only_the_oracle_recipe_reveals_the_length_of_the_reference(open_with: OpenTask) -> None:
    _, problem = open_recipe(open_with, "oracle-length")
    assert problem.prompt.middle_length == "oracle"
    assert problem.prompt.oracle is not None
    assert problem.prompt.oracle.length(len) == len(RECORD["canonical_solution"])
    assert RECORD["canonical_solution"].strip() not in repr(problem.prompt)


def test_suffix_first_prompt(open_with: OpenTask) -> None:
    """lm-evaluation-harness, lm_eval/tasks/humaneval_infilling/multi_line_infilling.yaml."""
    _, problem = open_recipe(open_with, "suffix-first")
    assert problem.prompt == Prompt(f"{RECORD['suffix']}\n\n{RECORD['prompt']}")


BODY = "    r = r ** 2\n"


@pytest.mark.parametrize(
    ("recipe", "text", "form", "middle"),
    [
        ("plain", BODY, "answer", BODY),
        ("plain", "", "answer", ""),
        ("plain", f"{BODY}    return 3 * r\n", "answer", f"{BODY}    return 3 * r\n"),
        ("first-line", BODY.rstrip("\n"), "answer", BODY),
        ("first-line", f"{BODY}    return 3 * r\n", "answer", BODY),
        ("first-line", f"{BODY}    return 3 * r\n", "completion", f"{BODY}    return 3 * r\n"),
        ("overlap", f"{BODY}    return 3 * r\n", "answer", BODY),
        ("suffix-first", BODY, "answer", BODY),
        ("suffix-first-line", BODY.rstrip("\n"), "answer", BODY),
        ("oracle-length", BODY, "answer", BODY),
    ],
)
def test_program(recipe: str, text: str, form: str, middle: str, open_with: OpenTask) -> None:
    assert source(open_with, recipe, text, form) == RECORD["prompt"] + middle + RECORD["suffix"] + TAIL


def test_solutions_are_programs_and_completions_are_middles(open_with: OpenTask) -> None:
    _, problem = open_recipe(open_with, "plain")
    program = RECORD["prompt"] + RECORD["canonical_solution"] + RECORD["suffix"]
    assert problem.reference == program
    assert source(open_with, "plain", program, "solution") == source(
        open_with, "plain", RECORD["canonical_solution"], "completion"
    )
    assert source(open_with, "plain", "def area(r): return 0\n", "solution") == "def area(r): return 0\n" + TAIL


@pytest.mark.parametrize("task", ["fim-multi-line", "fim-random-span", "fim-random-span-light"])
def test_only_single_line_has_the_first_line_recipe(task: str, open_with: OpenTask) -> None:
    with pytest.raises(UserError, match=f"unknown recipe of {task} 'first-line'"):
        open_recipe(open_with, "first-line", task)
    assert open_recipe(open_with, "plain", task)[1].suffix == RECORD["suffix"]


def test_groups() -> None:
    assert expand_task_names("fim") == ["fim-single-line", "fim-multi-line", "fim-random-span", "fim-random-span-light"]
    assert expand_task_names("santacoder-fim") == ["santacoder-fim-py", "santacoder-fim-js", "santacoder-fim-java"]
