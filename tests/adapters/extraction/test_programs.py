"""Extraction of programs from completions: unknown rules."""

import pytest

from evalharness.adapters.extraction.infilling import extract_middle
from evalharness.adapters.extraction.programs import extract_program
from evalharness.data.cards import Recipe
from evalharness.errors import UserError
from evalharness.records import Completion, Problem, Prompt

PROBLEM = Problem("t", Prompt(""), {}, "")


def test_an_unknown_extraction_is_a_user_error() -> None:
    fields = {"prompt": "{prompt}"}
    recipe = Recipe(kind="completion", description="", fields=fields, extraction="fence", max_new_tokens=1)
    with pytest.raises(UserError, match="unknown extraction rule 'fence'; did you mean fenced"):
        extract_program(PROBLEM, Completion("t", 0, "x"), recipe)
    with pytest.raises(UserError, match="unknown infilling extraction rule 'fence'; known: as_it_is"):
        extract_middle(PROBLEM, Completion("t", 0, "x"), recipe)
