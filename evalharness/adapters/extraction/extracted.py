"""What an extraction returns, and the version of the rules."""

from dataclasses import dataclass

RULES_VERSION = 2
"""Raised whenever a rule of the project's own gives another program for some answer. The manifest has it."""
NOTHING = "nothing found"
"""The rule of an answer in which no code was found."""


@dataclass(frozen=True)
class Extracted:
    """The program in an answer, and how it was found."""

    source: str
    rule: str
    """How the program was found, such as "fenced block 2 of 2"; `NOTHING` if it was not."""
