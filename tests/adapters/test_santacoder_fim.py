"""SantaCoder-FIM: one data file for three languages, and exact match of a line."""

from typing import Any

import pytest
from helpers.task_data import OpenTask

from evalharness.records import Completion, Execution, Prompt

RECORD: dict[str, Any] = {
    "name": "a.json-L1",
    "language": "js",
    "prompt": "function f(x){\n",
    "canonical_solution": "  x += 1;",
    "suffix": "  return x;\n}\n",
    "tests": "test();",
}
RECORDS = [
    RECORD,
    {**RECORD, "name": "b.json-L2"},
    {**RECORD, "language": "py"},
    {**RECORD, "language": "java", "canonical_solution": "x++;"},
]


def passes(open_with: OpenTask, text: str, form: str = "answer", recipe: str = "plain") -> bool:
    task, problems = open_with("santacoder-fim-js", RECORDS, recipe=recipe)
    completion = Completion("a.json-L1", 0, text, form=form)  # type: ignore[arg-type]
    assert task.program(problems["a.json-L1"], completion) is None
    verdict = task.verdict(completion, Execution())
    assert verdict.status == ("passed" if verdict.passed else "failed")
    assert bool(verdict.detail) is not verdict.passed
    assert "x += 1" not in verdict.detail
    return verdict.passed


def test_each_task_has_the_records_of_its_language(open_with: OpenTask) -> None:
    for language, ids in (("js", ["a.json-L1", "b.json-L2"]), ("py", ["a.json-L1"]), ("java", ["a.json-L1"])):
        _, problems = open_with(f"santacoder-fim-{language}", RECORDS)
        assert list(problems) == ids


def test_prompt_and_stops_equal_the_official_ones(open_with: OpenTask) -> None:
    """bigcode_eval/tasks/santacoder_fim.py; the backend adds the sentinel tokens."""
    _, problems = open_with("santacoder-fim-js", RECORDS)
    stops = ("<|endoftext|>", "<|filename|>", "<file_sep>")
    assert problems["a.json-L1"].prompt == Prompt(RECORD["prompt"], stops=stops, suffix=RECORD["suffix"])


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("  x += 1;", True),
        ("x += 1;", True),
        ("\n\t x += 1; \n\n", True),
        ("  x  += 1;", False),
        ("  x += 1", False),
        ("  x += 1;\n  return x;", False),
        ("  X += 1;", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("form", ["answer", "completion"])
def test_white_space_at_either_end_is_ignored(text: str, passed: bool, form: str, open_with: OpenTask) -> None:
    assert passes(open_with, text, form) is passed


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("  x += 1;\n  return x;", True),
        ("\n  x += 1;\n", True),
        (" \n  x += 1;\n", True),
        ("\n\n  x += 1;\n", False),
        ("  x\n += 1;", False),
    ],
)
def test_first_line(text: str, passed: bool, open_with: OpenTask) -> None:
    """As in the harness of Qwen2.5-Coder. A samples file's completion stays unchanged."""
    assert passes(open_with, text, recipe="first-line") is passed
    assert not passes(open_with, "  x += 1;\n  return x;", "completion", "first-line")


def test_the_middle_of_a_whole_program_is_compared(open_with: OpenTask) -> None:
    prompt, suffix = RECORD["prompt"], RECORD["suffix"]
    _, problems = open_with("santacoder-fim-js", RECORDS)
    assert problems["a.json-L1"].reference == f"{prompt}  x += 1;{suffix}"
    assert passes(open_with, f"{prompt}  x += 1;{suffix}", "solution")
    assert passes(open_with, f"{prompt}  x += 1;\n{suffix}", "solution")
    assert not passes(open_with, f"{prompt}  x += 2;{suffix}", "solution")
    assert not passes(open_with, f"  x += 1;{suffix}", "solution")
    assert not passes(open_with, prompt + suffix, "solution")
    assert not passes(open_with, prompt[:-1], "solution")
