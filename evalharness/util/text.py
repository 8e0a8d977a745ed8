"""Formats texts for messages: numbers with their nouns, and texts on one line."""

import textwrap


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun in singular or plural, such as "1 problem" or "2 problems"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(text: str) -> str:
    """Returns the text on one line, with each sequence of white space replaced by one space."""
    return " ".join(text.split())


def error_text(error: BaseException, max_length: int = 300) -> str:
    """Returns an exception's message, or its type if it has none, on one line of at most `max_length` characters."""
    return shortened(str(error).strip().rstrip(".") or type(error).__name__, max_length)


def shortened(text: str, max_length: int) -> str:
    """Returns the text on one line; a text longer than `max_length` characters is cut after a word and ends in `...`.

    Unlike `textwrap.shorten`, a first word that is longer than the limit is cut, not dropped.
    """
    short = textwrap.shorten(text, max_length, placeholder="...")
    return one_line(text)[: max_length - 3] + "..." if short == "..." else short
