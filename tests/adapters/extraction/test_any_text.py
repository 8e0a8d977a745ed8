"""No text makes an extraction raise, and prose around a fenced block changes nothing."""

import pytest
from helpers.function_answers import CODES, target_of
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.adapters.extraction.extracted import ExtractedProgram
from evalharness.adapters.extraction.languages.function_program import extract_function_program as in_language
from evalharness.adapters.extraction.languages.syntax import SYNTAX
from evalharness.adapters.extraction.python_program import extract_contest_program, extract_function_program

PIECES = [
    *(
        "```",
        "```python",
        "~~~",
        "````",
        "``",
        "<think>",
        "</think>",
        "<code>",
        "</code>",
        "[PYTHON]",
        "> ",
        "- ",
        "    ",
    ),
    *("def add(a, b):", "    return a + b", "add(1, 2)", "class Solution:", "\tpass", "if __name__ == '__main__':"),
    *(
        "import os",
        "from __future__ import annotations",
        '"""',
        "'''",
        "(",
        "{",
        "}",
        "\\",
        "`add = max`",
        "\0",
        "\ufeff",
    ),
    *(
        "Here is it:",
        "&lt;",
        "<|channel|>final<|message|>",
        "analysis",
        "assistantfinal",
        "\ud800",
        "☃",
        "\r\n",
        "\n\n",
    ),
    *(line for codes in CODES.values() for line in codes["plain"].splitlines()),
]
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=30).map("\n".join)


@settings(max_examples=150)
@given(texts)
def test_python_rules_accept_any_text(text: str) -> None:
    text = text.encode(errors="replace").decode()
    for found in (
        extract_function_program(text, "def add(a, b):\n", ["add"]),
        extract_contest_program(text, ""),
        extract_contest_program(text, "f"),
    ):
        assert isinstance(found, ExtractedProgram)
        assert found.location


@settings(max_examples=100)
@given(st.sampled_from(sorted(SYNTAX)), texts)
def test_rules_of_languages_accept_any_text(code: str, text: str) -> None:
    found = in_language(text.encode(errors="replace").decode(), target_of(code))
    assert isinstance(found, ExtractedProgram)
    assert found.location


PROSE = st.text(
    st.characters(codec="utf-8", exclude_characters="`~<>[]|\\&◁\0\r", exclude_categories=["Cc", "Cs"]), max_size=60
)


@settings(max_examples=100)
@given(PROSE, PROSE)
def test_prose_around_a_fenced_block_changes_nothing(before: str, after: str) -> None:
    code = "def add(a, b):\n    return a + b\n"
    found = extract_function_program(f"{before}\n\n```python\n{code}```\n\n{after}", "", ["add"])
    if "analysis" not in before:
        assert found == (code, "fenced block")


@pytest.mark.parametrize("text", ["", "\n", "```", "```\n```", "\0", "<think>", "~~~\n\n"])
def test_texts_without_code(text: str) -> None:
    assert extract_function_program(text, "", ["add"]).location == "nothing found"
    assert extract_contest_program(text, "").location == "nothing found"
