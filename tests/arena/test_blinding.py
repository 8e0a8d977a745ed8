"""Names of models in their own answers, which a voter must not see."""

import pytest

from evalharness.adapters import open_task
from evalharness.arena.answers import ShownProblem
from evalharness.arena.blinding import HIDDEN, hide_model_name
from evalharness.records import Completion


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("qwen2.5-coder-0.5b-instruct", "# Written by Qwen\n"),
        ("Qwen2.5-Coder-0.5B-Instruct (threshold=0.9)", "# I am qwen2.5-coder-0.5b-instruct.\n"),
        ("heron-7b", "# heron_7b: 'HERON'\n"),
        ("deepseek-coder-6.7b", "# As DeepSeek, I\n"),
        ("gpt-4o", "# GPT-4o's answer\n"),
        ("mercury-coder-mini", "author = 'Mercury'\n"),
        ("claude-3-5-sonnet", "# by Claude 3.5\n"),
    ],
)
def test_an_answer_does_not_name_its_model(label: str, text: str) -> None:
    hidden = hide_model_name(text, label, "Sort a list.")
    assert HIDDEN in hidden
    family = label.lower().split("-")[0].rstrip("0123456789.")
    assert family not in hidden.lower()


@pytest.mark.parametrize(
    ("label", "text", "problem"),
    [
        ("reference", "# a reference to the node\n", ""),
        ("diffusion (threshold=0.5)", "def diffusion(grid): pass\n", ""),
        ("ar", "ar = [1]\n", ""),
        ("open-dcoder-7b", "with open(path) as file: pass\n", ""),
        ("code-llama-7b", "code = 1\n", ""),
        ("mercury-coder", "planets = ['Mercury', 'Venus']\n", "Planets: Mercury, Venus"),
        ("dream-7b", "daydreams = 1\n", ""),
    ],
)
def test_code_that_only_looks_like_a_name_stays(label: str, text: str, problem: str) -> None:
    assert hide_model_name(text, label, problem) == text


def test_the_name_is_hidden_in_place_and_in_the_whole_program() -> None:
    task, _ = open_task("humaneval", "sample", {})
    shown = ShownProblem(task.problems()[0], task, "humaneval", "py")
    text = "    # Qwen's way\n    return 7\n"
    answer = shown.make_answer("qwen3-8b", Completion(shown.problem.task_id, 0, text, form="completion"))
    assert answer.middle == f"    # {HIDDEN}'s way\n    return 7"
    assert "qwen" not in answer.program.lower()
    assert answer.program.startswith(shown.problem.prefix.strip("\n"))
