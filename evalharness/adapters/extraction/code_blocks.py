"""Finds fenced code blocks in a chat model's answer."""

import re

FENCED_BLOCK = re.compile(r"^[ \t]*```[^`\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
"""A Markdown code block. A block without a closing fence, as in a truncated answer, extends to the end."""


def code_blocks(answer: str) -> list[str]:
    """Returns the contents of the answer's fenced code blocks; the whole answer where it has none."""
    return FENCED_BLOCK.findall(answer) or [answer]


def block_that_defines(definition: re.Pattern[str], blocks: list[str]) -> str | None:
    """Returns the first block in which the pattern of a function's definition matches; None if there is none."""
    return next((block for block in blocks if definition.search(block)), None)
