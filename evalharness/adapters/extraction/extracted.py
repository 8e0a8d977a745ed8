"""The result of extracting a program from an answer, and the version of the extraction rules."""

from typing import NamedTuple

EXTRACTION_VERSION = 3
"""The version of the project's own extraction rules, which manifests record; increased when a rule changes."""
NOTHING_FOUND = "nothing found"
"""The value of `ExtractedProgram.location` for an answer in which no code was found."""


class ExtractedProgram(NamedTuple):
    """The program extracted from a model's answer, and where it was found."""

    source: str
    location: str
    """Where the program was found, such as "fenced block 2 of 2"; `NOTHING_FOUND` if no program was found."""
