"""Chat answers of MultiPL-E in 22 languages: one function, and nothing that collides with the tests."""

import re

import pytest
from helpers.function_answers import CODES, answers, target_of

from evalharness.adapters.extraction.languages.function_program import extract_function_program
from evalharness.adapters.extraction.languages.items import parse_source, split_into_code_items
from evalharness.adapters.extraction.languages.syntax import SYNTAX
from evalharness.sandbox.languages import languages_by_image

ALL = [(code, form) for code in SYNTAX for form in answers(code)]


def test_every_language_has_a_syntax_and_twelve_forms() -> None:
    assert set(SYNTAX) == {language.code for language in languages_by_image().values()} == set(CODES)
    assert all(len(answers(code)) >= 12 for code in SYNTAX)


@pytest.mark.parametrize(("code", "form"), ALL)
def test_every_form_gives_one_function_and_no_other_program(code: str, form: str) -> None:
    target = target_of(code)
    found = extract_function_program(answers(code)[form], target)
    whole = f"{found.source}\n{target.tests}"
    assert found.location in (
        "fenced block",
        "fenced block 2 of 3",
        "fenced block 1 of 2",
        "text between marks",
        "whole answer",
        "sanitizer",
    )
    assert not parse_source(SYNTAX[code].grammar, whole.encode()).has_error, whole
    main = len(re.findall(r"\b[mM]ain\s*\(", target.tests))
    assert len(re.findall(r"\b[mM]ain\s*\(", whole)) == main, whole
    assert not re.search(r"\b(?:module\.exports|export |exit 0|__END__|return M\b|=> *\{ it\()", found.source), whole
    assert "usage" not in found.source
    items = split_into_code_items(whole, SYNTAX[code], target.name).items
    defining = [
        item for item in items if target.name in item.names and item.type not in ("signature", "function_signature")
    ]
    clauses = 3 if form in ("clauses", "cases") or code == "elixir" else 1
    assert 1 <= len(defining) <= clauses, whole
