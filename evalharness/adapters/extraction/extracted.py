"""The result of extracting a program from an answer, and the version of the extraction rules."""

from typing import NamedTuple

RULES_VERSION = 3
"""The version of the project's own extraction rules, in manifests; raised when a rule changes some program."""
NOTHING = "nothing found"
"""The value of `Extracted.rule` for an answer in which no code was found."""


class Extracted(NamedTuple):
    """The program extracted from a model's answer, and the rule that found it."""

    source: str
    rule: str
    """How the program was found, such as "fenced block 2 of 2"; `NOTHING` if it was not."""
