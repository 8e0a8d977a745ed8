"""HumanEval-Infilling: the prompt with its gap, and the program that the grader runs."""

from collections.abc import Callable
from typing import Any

import pytest

from evalharness.data.cards import expand_task_names
from evalharness.errors import UserError
from evalharness.records import Completion, Problem, Prompt, Task
from evalharness.sandbox.jobs import whole_source

Open = Callable[..., tuple[Task, dict[str, Problem]]]

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


def opened_with(opened: Open, recipe: str, task: str = "fim-single-line") -> tuple[Task, Problem]:
    found, problems = opened(task, [RECORD], recipe=recipe)
    return found, problems[RECORD["task_id"]]


def source(opened: Open, recipe: str, text: str, form: str = "answer") -> str:
    task, problem = opened_with(opened, recipe)
    program = task.program(problem, Completion(problem.task_id, 0, text, form=form))  # type: ignore[arg-type]
    assert program is not None
    return whole_source(program)


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
def test_a_prompt_is_prefix_and_suffix_and_says_how_long_the_middle_is(
    recipe: str, middle: str, stops: tuple[str, ...], opened: Open
) -> None:
    """Braces in a prompt are text."""
    _, problem = opened_with(opened, recipe)
    assert problem.prompt == Prompt(RECORD["prompt"], stops=stops, suffix=RECORD["suffix"], middle_length=middle)  # type: ignore[arg-type]


def test_the_reference_is_known_to_a_prompt_only_by_length_and_only_under_the_oracle(opened: Open) -> None:
    _, problem = opened_with(opened, "oracle-length")
    assert problem.prompt.middle_length == "oracle"
    assert problem.prompt.oracle is not None
    assert problem.prompt.oracle.length(len) == len(RECORD["canonical_solution"])
    assert RECORD["canonical_solution"].strip() not in repr(problem.prompt)


def test_suffix_first_is_continued_as_text(opened: Open) -> None:
    """lm-evaluation-harness, lm_eval/tasks/humaneval_infilling/multi_line_infilling.yaml."""
    _, problem = opened_with(opened, "suffix-first")
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
def test_program(recipe: str, text: str, form: str, middle: str, opened: Open) -> None:
    assert source(opened, recipe, text, form) == RECORD["prompt"] + middle + RECORD["suffix"] + TAIL


def test_a_solution_is_the_whole_program_and_a_completion_the_middle(opened: Open) -> None:
    _, problem = opened_with(opened, "plain")
    whole = RECORD["prompt"] + RECORD["canonical_solution"] + RECORD["suffix"]
    assert problem.reference == whole
    assert source(opened, "plain", whole, "solution") == source(
        opened, "plain", RECORD["canonical_solution"], "completion"
    )
    assert source(opened, "plain", "def area(r): return 0\n", "solution") == "def area(r): return 0\n" + TAIL


@pytest.mark.parametrize("task", ["fim-multi-line", "fim-random-span", "fim-random-span-light"])
def test_cuts_at_the_first_line_are_for_single_lines(task: str, opened: Open) -> None:
    with pytest.raises(UserError, match=f"unknown recipe of {task} 'first-line'"):
        opened_with(opened, "first-line", task)
    assert opened_with(opened, "plain", task)[1].suffix == RECORD["suffix"]


def test_the_group() -> None:
    assert expand_task_names("fim") == ["fim-single-line", "fim-multi-line", "fim-random-span", "fim-random-span-light"]
    assert expand_task_names("santacoder-fim") == ["santacoder-fim-py", "santacoder-fim-js", "santacoder-fim-java"]
