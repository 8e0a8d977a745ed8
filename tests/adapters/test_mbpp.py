"""MBPP: prompts, and set-up code that the assertions need."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.task_data import OpenTask

from evalharness.adapters import open_task
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run
from evalharness.records import Completion, ExecProgram, Problem, Prompt, Task
from evalharness.sandbox.jobs import source_with_checks


def record(number: int, text: str, code: str, *tests: str, setup: str = "") -> dict[str, Any]:
    kept = {"task_id": number, "text": text, "code": code, "test_list": list(tests), "test_setup_code": setup}
    return {**kept, "challenge_test_list": ["assert False"]}


RECORDS = [
    record(1, "Not a shot.", "pass", "assert 1"),
    record(2, "Write two.", "def two():\r\n  return 2", "assert two() == 2", "assert two()", "assert two() != 3"),
    record(3, "Write three.", "def three():\n    return 3", "assert three() == 3", "assert three()", "assert 3"),
    record(4, "Write four.", "def four(): return {4}", "assert four() == {4} ", "assert four()", "assert 4"),
    record(11, "Write {text}.", "def t(): return ''", "assert t() == ''", "assert not t()", "assert t() == t()"),
    record(12, "Use a root.", "def f(r): return r.x", "assert f(root)", "assert 1", "assert 2", setup="root = 1"),
]


def problem_of(open_with: OpenTask, number: int = 11, **options: str) -> tuple[Task, Problem]:
    task, problems = open_with("mbpp", RECORDS, **options)
    return task, problems[str(number)]


def test_google_3shot(open_with: OpenTask) -> None:
    """lm-evaluation-harness, lm_eval/tasks/mbpp/mbpp.yaml; an empty line separates the examples."""
    _, problem = problem_of(open_with, recipe="google-3shot")
    ask = "You are an expert Python programmer, and here is your task: "
    text = (
        f"{ask}Write two. Your code should pass these tests:\n\n"
        "assert two() == 2\nassert two()\nassert two() != 3\n[BEGIN]\ndef two():\r\n  return 2\n[DONE]\n\n"
        f"{ask}Write three. Your code should pass these tests:\n\n"
        "assert three() == 3\nassert three()\nassert 3\n[BEGIN]\ndef three():\n    return 3\n[DONE]\n\n"
        f"{ask}Write four. Your code should pass these tests:\n\n"
        "assert four() == {4} \nassert four()\nassert 4\n[BEGIN]\ndef four(): return {4}\n[DONE]\n\n"
        f"{ask}Write {{text}}. Your code should pass these tests:\n\n"
        "assert t() == ''\nassert not t()\nassert t() == t()\n[BEGIN]\n"
    )
    assert problem.prompt == Prompt(text=text, stops=("[DONE]",))


def test_docstring_0shot(open_with: OpenTask) -> None:
    """bigcode-evaluation-harness, bigcode_eval/tasks/mbpp.py."""
    _, problem = problem_of(open_with, recipe="docstring-0shot")
    stops = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```")
    assert problem.prompt == Prompt(text='"""\nWrite {text}.\nassert t() == \'\'\n"""\n', stops=stops)


def test_chat(open_with: OpenTask) -> None:
    _, problem = problem_of(open_with, recipe="chat")
    [message] = problem.prompt.messages
    assert message.content.startswith("Write {text}.")
    assert "\n```python\nassert t() == ''\nassert not t()\nassert t() == t()\n```\n" in message.content
    assert problem.prompt.stops == ()


CODE = "def t(): return ''"
TESTS = "\nassert t() == ''\nassert not t()\nassert t() == t()"


@pytest.mark.parametrize(
    ("recipe", "text", "form", "start"),
    [
        ("google-3shot", CODE, "answer", CODE),
        ("google-3shot", CODE, "completion", CODE),
        ("google-3shot", CODE, "solution", CODE),
        ("docstring-0shot", CODE, "answer", '"""\nWrite {text}.\nassert t() == \'\'\n"""\n' + CODE),
        ("chat", f"So:\n```python\n{CODE}\n```\nDone: ```t()```", "answer", CODE + "\n"),
        ("chat", CODE, "answer", CODE + "\n"),
    ],
)
def test_program(recipe: str, text: str, form: str, start: str, open_with: OpenTask) -> None:
    task, problem = problem_of(open_with, recipe=recipe)
    completion = Completion("11", 0, text, form=form)  # type: ignore[arg-type]
    program = task.program(problem, completion)
    assert source_with_checks(program) == start + TESTS
    assert (type(program), program.limits.time_s) == (ExecProgram, 3.0)


def test_set_up_code_precedes_the_assertions(open_with: OpenTask) -> None:
    task, problem = problem_of(open_with, 12)
    program = task.program(problem, Completion("12", 0, "def f(r): return r", form="solution"))
    assert source_with_checks(program) == "def f(r): return r\nroot = 1\nassert f(root)\nassert 1\nassert 2"


def test_the_sanitized_version_has_other_field_names(open_with: OpenTask) -> None:
    rows = [
        {
            "task_id": number,
            "source_file": "a",
            "prompt": f"Write {number}.",
            "code": "def f(): return math.pi",
            "test_imports": ["import math"],
            "test_list": ["assert f() == math.pi"],
        }
        for number in (2, 3, 4, 11)
    ]
    task, problems = open_with("mbpp", rows, version="sanitized")
    assert "here is your task: Write 11. Your code should pass these tests:\n\nassert f()" in str(
        problems["11"].prompt.text
    )
    program = task.program(problems["11"], Completion("11", 0, "def f(): return math.pi", form="solution"))
    assert source_with_checks(program) == "def f(): return math.pi\nimport math\nassert f() == math.pi"


@pytest.mark.data
def test_the_real_shots_are_problems_2_to_4(datasets_dir: Path) -> None:
    task, _ = open_task("mbpp", datasets_dir, {})
    first = task.problems()[0]
    text = str(first.prompt.text)
    assert (first.task_id, text.count("[BEGIN]\n"), text.count("[DONE]")) == ("11", 4, 3)
    shots = ["similar elements from the given two tuple lists.", "identify non-prime numbers.", "heap queue algorithm."]
    positions = [text.index(f"{shot} Your code should pass these tests:\n\nassert ") for shot in shots]
    assert positions == sorted(positions)
    assert "def similar_elements(test_tup1, test_tup2):\r\n  res =" in text
    assert text.endswith("\n[BEGIN]\n")


@pytest.mark.data
@pytest.mark.docker
def test_references_that_need_set_up_code_pass(engine: None, datasets_dir: Path, tmp_path: Path) -> None:
    task, _ = open_task("mbpp", datasets_dir, {"split": "all"})
    references = {problem.task_id: problem.reference for problem in task.problems()}
    rows = [{"task_id": number, "solution": references[str(number)]} for number in (367, 927)]
    (tmp_path / "samples.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    options = {"split": "all", "samples": str(tmp_path / "samples.jsonl")}
    summary = run(RunConfig("mbpp", "replay", data=str(datasets_dir), options=options), tmp_path / "run")
    assert summary["statuses"] == {"passed": 2}
