"""Extraction of programs from completions: unknown rules, and code blocks."""

import pytest

from evalharness.adapters.extraction.code_blocks import code_blocks
from evalharness.adapters.extraction.infilling import extract_middle
from evalharness.adapters.extraction.programs import extract_program
from evalharness.data.cards import Recipe
from evalharness.errors import UserError
from evalharness.records import Completion, Problem, Prompt

PROBLEM = Problem("t", Prompt(""), {}, "")


def test_an_unknown_extraction_is_a_user_error() -> None:
    recipe = Recipe(kind="completion", description="", extraction="fence", max_new_tokens=1)
    with pytest.raises(UserError, match="unknown extraction 'fence'; did you mean fenced"):
        extract_program(PROBLEM, Completion("t", 0, "x"), recipe)
    with pytest.raises(UserError, match="unknown extraction of a middle 'fence'; known: as_it_is"):
        extract_middle(PROBLEM, Completion("t", 0, "x"), recipe)


@pytest.mark.parametrize(
    ("answer", "blocks"),
    [
        ("x = 1", ["x = 1"]),
        ("```\nx = 1\n```", ["x = 1\n"]),
        ("a\n  ```python\nx = 1\n  ```\n```\ny\n```", ["x = 1\n", "y\n"]),
        ("```python\nx = 1", ["x = 1"]),
        ("inline ```x``` only", ["inline ```x``` only"]),
    ],
)
def test_code_blocks(answer: str, blocks: list[str]) -> None:
    assert code_blocks(answer) == blocks
