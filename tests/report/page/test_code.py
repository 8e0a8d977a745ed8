"""The highlighter keeps every character in every language, and no text makes it slow."""

from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]

LANGUAGES = [
    *("py", "js", "ts", "java", "cpp", "cs", "d", "go", "php", "rs", "scala", "swift", "sh", "rb", "pl", "r", "jl"),
    *("elixir", "lua", "hs", "ml", "rkt"),
]
TEXTS = [
    'def f(x):\n    """Says "hi"."""\n    return x + 1  # one\n',
    '\'unclosed\nnext line """ /* -- {- #| \' ` \\',
    "a\\\r\n\t☃ 𝒙 0x1F 1e-5 _y2(z) /* open",
    "'''\\''' \"\\\\\" `${`a`}` (* (* *) --[[ ]] #= =#",
]
ENDLESS = ["'" * 90_000, '"""' * 30_000, "/*" * 45_000, "\\" * 90_000, "a_" * 45_000, "f (" * 30_000]


@pytest.fixture
def page(visit: Open) -> Any:
    return visit()


def tokens_of(page: Any, text: str, language: str) -> list[list[str]]:
    tokens: list[list[str]] = page.evaluate(
        "([text, name]) => evalharness.tokenize(text, evalharness.language(name))", [text, language]
    )
    return tokens


def test_the_highlighter_keeps_every_character(page: Any) -> None:
    for language in LANGUAGES:
        for text in TEXTS:
            assert "".join(token for _, token in tokens_of(page, text, language)) == text


def test_the_highlighter_distinguishes_keywords_strings_numbers_comments_and_calls(page: Any) -> None:
    kinds = {token: kind for kind, token in tokens_of(page, TEXTS[0], "py")}
    assert (kinds["def"], kinds["f"], kinds['"""Says "hi"."""']) == ("keyword", "call", "string")
    assert (kinds["1"], kinds["# one"]) == ("number", "comment")


def test_no_text_makes_the_highlighter_slow(page: Any) -> None:
    for language in LANGUAGES:
        for text in ENDLESS:
            milliseconds = page.evaluate(
                """([text, name]) => {
                    const start = performance.now();
                    evalharness.tokenize(text, evalharness.language(name));
                    return performance.now() - start;
                }""",
                [text, language],
            )
            assert milliseconds < 2000, (language, text[:5])


def test_fences_of_an_answer_are_code_and_the_rest_is_prose(page: Any) -> None:
    kinds = page.evaluate(
        """() => evalharness.answer("Here:\\n```python\\nreturn 1\\n```\\nfor you\\n", "py")
            .map(node => [node.className || "", node.textContent])"""
    )
    assert ["prose", "Here:\n"] in kinds
    assert ["fence", "```python\n"] in kinds
    assert ["c-keyword", "return"] in kinds
    assert ["prose", "for you\n"] in kinds
