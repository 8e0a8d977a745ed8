"""Code blocks of an answer: CommonMark's fences, and the looser readings."""

import pytest

from evalharness.adapters.extraction.code_blocks import (
    blocks_between_code_markers,
    clean_answer,
    fenced_code_blocks,
    inline_and_indented_code_blocks,
    language_of_fence,
)


@pytest.mark.parametrize(
    ("answer", "blocks"),
    [
        ("x = 1", []),
        ("```\nx = 1\n```", ["x = 1\n"]),
        ("a\n  ```python\nx = 1\n  ```\n```\ny\n```", ["x = 1\n", "y\n"]),
        ("```python\nx = 1", ["x = 1"]),
        ("inline ```x``` only", []),
        ("~~~~py\nx\n~~~\ny\n~~~~", ["x\n~~~\ny\n"]),
        ("````\n```\nx\n```\n````", ["```\nx\n```\n"]),
        ("> ```\n> x\n> ```", ["x\n"]),
        ("- a\n\n  ```\n  x\n  ```", ["x\n"]),
        ("- a\n\n        ```\n        x\n        ```", ["x\n"]),
        ("<answer>\n```\nx\n```\n</answer>", ["x\n"]),
        ("    x = 1", []),
    ],
)
def test_code_blocks(answer: str, blocks: list[str]) -> None:
    assert [block.text for block in fenced_code_blocks(answer)] == blocks


@pytest.mark.parametrize(
    ("answer", "block"),
    [
        ("Here: ```python\nx = 1\n```", "x = 1\n"),
        ("x = 1\n```", "x = 1\n"),
        ("```python\nx = 1\n``` Done.", "x = 1\n"),
        ("```python\nx = 1```", "x = 1"),
        ("<code>x = 1</code>", "x = 1"),
        ("[PYTHON]\nx = 1\n[/PYTHON]", "x = 1\n"),
        ("1. So:\n   ```\nx = 1\n   ```", "x = 1\n"),
        ("x = 1", "x = 1"),
    ],
)
def test_loose_blocks(answer: str, block: str) -> None:
    assert block in [found.text for found in blocks_between_code_markers(answer)]


def test_small_pieces() -> None:
    pieces = inline_and_indented_code_blocks("Use `f = abs` or\n\n    def f(x):\n        return x\n")
    assert [piece.text for piece in pieces] == ["f = abs", "def f(x):\n    return x\n"]


@pytest.mark.parametrize(
    ("info", "tag"),
    [("python", "python"), ("Python3 title=a.py", "python3"), ("{.python}", "python"), ("", ""), ("c++", "c++")],
)
def test_language_tag(info: str, tag: str) -> None:
    assert language_of_fence(info) == tag


@pytest.mark.parametrize(
    ("answer", "cleaned"),
    [
        ("\ufeffa\r\nb\rc", "a\nb\nc"),
        ("a<|im_end|>\n", "a\n"),
        ("a</s></s>", "a\n"),
        ("a\0b", "ab"),
        ("a\n<|im_end|>\nb", "a\n<|im_end|>\nb"),
    ],
)
def test_clean(answer: str, cleaned: str) -> None:
    assert clean_answer(answer) == cleaned
