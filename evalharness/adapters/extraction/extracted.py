"""What an extraction returns, and the version of the rules."""

from typing import NamedTuple

RULES_VERSION = 2
"""Raised whenever a rule of the project's own gives another program for some answer. The manifest has it."""
NOTHING = "nothing found"
"""The rule of an answer in which no code was found."""


class Extracted(NamedTuple):
    """The program in an answer, and how it was found."""

    source: str
    rule: str
    """How the program was found, such as "fenced block 2 of 2"; `NOTHING` if it was not."""
