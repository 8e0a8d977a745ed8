"""Finds the code in a chat model's answer: CommonMark's fenced blocks, and code between other kinds of markers."""

import functools
import itertools
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

END_TOKENS = re.compile(r"(?:\s|<\|[\w▁｜]{1,40}\|>|<｜[\w▁ ]{1,40}｜>|</s>|<eos>|<end_of_turn>)+\Z")
"""Special tokens of chat templates that a server leaves at the end of an answer."""
CODE_MARKER = re.compile(
    r"`{3,}|~{3,}|</?(?:code|pre|answer|solution|python|output|response)(?: [^<>\n]{1,80})?>|"
    r"\[/?(?:PYTHON|CODE|ANSWER)\]|"
    r"\\(?:begin|end)\{(?:verbatim|lstlisting|minted|code|python)\}(?:\[[^\]\n]{0,80}\]|\{\w{0,20}\})*",
    re.IGNORECASE,
)
"""Markers around code, such as tags or fences within a line, including those that are no CommonMark fences."""
FENCE_INFO = re.compile(r"[ \t]*([A-Za-z][\w+#.-]{0,20})?[^\n()=]{0,80}\n")
"""The text that follows the backticks of an opening fence, up to the line's end."""
INLINE_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]{1,2000})\1(?!`)")
"""Code within a line of text."""
QUOTE_PREFIX = re.compile(r"^[ \t]*>[ ]?", re.MULTILINE)
MAX_MARKERS = 200
"""Only this many markers, the last ones in an answer, are considered by `blocks_between_code_markers`."""


@dataclass(frozen=True)
class CodeBlock:
    """A part of a model's answer that may be code, and the language that its opening code fence names."""

    text: str
    tag: str = ""
    """The language that the fence names, in lower case; empty if it names none."""


def clean_answer(answer: str) -> str:
    """Returns a model's answer with Unix line breaks, without byte order marks, NULs and trailing special tokens."""
    text = answer.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "").replace("\0", "")
    end = END_TOKENS.search(text, max(0, len(text) - 400))
    return text[: end.start()] + "\n" if end else text


@functools.cache
def markdown_parser() -> "MarkdownIt":
    """Returns a CommonMark parser that splits a text into blocks and treats HTML-like tags as plain text.

    With the parser's usual rules, a tag such as <answer> would hide a code fence that follows it.
    """
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable(["inline", "html_block", "reference", "lheading", "heading"])


def fenced_code_blocks(answer: str) -> list[CodeBlock]:
    """Returns the fenced code blocks (by CommonMark's rules) of an answer, also those in lists and block quotes."""
    blocks = []
    for token in markdown_parser().parse(answer):
        if token.type == "fence":
            blocks.append(CodeBlock(token.content, language_of_fence(token.info)))
        elif token.type == "code_block" and CODE_MARKER.search(token.content):
            # A fence that is indented by four spaces, as below an item of a list.
            inner = markdown_parser().parse(textwrap.dedent(token.content))
            blocks += [CodeBlock(part.content, language_of_fence(part.info)) for part in inner if part.type == "fence"]
    return blocks


def language_of_fence(fence_info: str) -> str:
    """Returns the language that the text after an opening code fence names, in lower case; "" if it names none."""
    match = re.match(r"[{.\s]*([A-Za-z][\w+#-]*)", fence_info[:100])
    return match[1].lower() if match else ""


def blocks_between_code_markers(answer: str) -> list[CodeBlock]:
    """Returns each part of an answer that lies between two code markers, such as fences and tags.

    The beginning and the end of the answer count as markers, too. First come the parts that contain further markers,
    because a docstring in code may contain a fence; then the parts that contain none.
    """
    markers = list(CODE_MARKER.finditer(answer))[-MAX_MARKERS:]
    edges = [(0, 0), *(mark.span() for mark in markers), (len(answer), len(answer))]
    blocks = [_code_block_from_span(answer, start, end) for (_, start), (end, _) in itertools.pairwise(edges)]
    if 2 < len(edges) < 20:
        longer = [
            _code_block_from_span(answer, edges[first][1], edges[last][0])
            for first in range(len(edges))
            for last in range(first + 2, len(edges))
        ]
        blocks = [*longer, *blocks]
    return blocks


def _code_block_from_span(answer: str, start: int, end: int) -> CodeBlock:
    """Returns answer[start:end] as a code block; `start` is the end of a code marker, or 0.

    The rest of an opening fence's line becomes the block's language. The `>` of a block quote is removed.
    """
    text, tag = answer[start:end], ""
    if start > 0 and (info := FENCE_INFO.match(text)):
        tag, text = language_of_fence(info[0]), text[info.end() :]
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(line.lstrip().startswith(">") for line in lines):
        text = QUOTE_PREFIX.sub("", text)
    return CodeBlock(text.rstrip(" \t>"), tag)


def inline_and_indented_code_blocks(answer: str) -> list[CodeBlock]:
    """Returns an answer's code that is not in a fence: first inline code (in backticks), then indented code blocks."""
    indented = [token.content for token in markdown_parser().parse(answer) if token.type == "code_block"]
    spans = [match[2].strip() for match in INLINE_CODE.finditer(answer)]
    return [CodeBlock(text) for text in (*spans, *indented)]
