"""Writes texts of runs, such as names of models, so that Markdown, CSV and LaTeX show them unchanged."""

import re

from evalharness.util.text import one_line
from evalharness.util.visible import escape_control_characters

LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": r"\textless{}", ">": r"\textgreater{}",
         "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}"}  # fmt: skip
"""How characters that LaTeX interprets are written. After a line break, brackets and stars are options of it."""
MARKDOWN = re.compile(r"[\\`*\[\]~$|]|(?<!\w)_|_(?!\w)|(?P<html>[&<>@]|(?<=[a-z]):(?=//)|(?<=\bwww)\.)", re.IGNORECASE)
"""Characters that begin emphasis, code, links, formulas, HTML, mentions or addresses. Within words, `_` is text."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The beginnings of a cell that spreadsheets take for a formula."""


def escape_markdown(text: str) -> str:
    """Returns Markdown that displays a text literally on one line, also in a table cell."""
    return MARKDOWN.sub(_escape_markdown_character, escape_control_characters(one_line(text)))


def _escape_markdown_character(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};" if match["html"] else f"\\{match[0]}"


def escape_latex(text: str) -> str:
    """Returns LaTeX that displays a text literally on one line."""
    return "".join(LATEX.get(character, character) for character in escape_control_characters(one_line(text)))


def escape_csv_cell(text: str) -> str:
    """Returns a text for a CSV cell; a text that a spreadsheet would run as a formula gets a leading apostrophe."""
    shown = escape_control_characters(text)
    return f"'{shown}" if shown.lstrip(" ").startswith(FORMULA) else shown
