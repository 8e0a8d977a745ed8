"""What an image knows of its language: how a program is run, and how its tests look (`sandboxes/*/language.yaml`)."""

import functools
import re
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from evalharness.errors import UserError
from evalharness.util.paths import bundled


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shortcut(_Strict):
    """A command that does what a step's does, only faster, for programs that begin as `begins` (a pattern) says."""

    begins: str
    command: list[str]


class Step(_Strict):
    """A command that must succeed, within its seconds as on an idle machine.

    `warm`: the image has a compile server that does the same without the compiler's start (the Dockerfile writes its
    command line to /opt/evalharness/warm/command); the command says what it stands for, and is run where it cannot.
    So it is with `shortcut`: where that does not succeed, the command itself is run and decides.
    """

    name: str
    command: list[str]
    time_s: float
    warm: bool = False
    shortcut: Shortcut | None = None


class FailsOn(_Strict):
    """What makes a program fail although it exits with success: rules of MultiPL-E's own graders."""

    stderr_contains: list[str] = []
    output_contains: list[str] = []
    stderr_not_empty: bool = False


class Tests(_Strict):
    """How tests in MultiPL-E's format look."""

    line: str
    """Matches one test; the group `expected` is the text of its expected value."""
    end: str
    """A statement that prints `{token}`, put after the last test."""
    end_after: str | None = None
    """Where, if not there: after the last match of this."""
    fails: str
    """A statement that must fail."""

    @field_validator("line", "end_after")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            re.compile(pattern)
        return pattern


class Hello(_Strict):
    """A problem in MultiPL-E's format with a right and a wrong solution."""

    prompt: str
    right: str
    wrong: str
    tests: str


class Language(_Strict):
    """One `language.yaml`. `code` is MultiPL-E's; `suspicious` are patterns of what could tamper with tests."""

    language: str
    code: str
    file: str
    steps: list[Step]
    fails_on: FailsOn = FailsOn()
    tests: Tests
    suspicious: list[str]
    hello: Hello

    def is_suspicious(self, text: str) -> bool:
        """Whether a program could touch its tests. A false alarm costs time; a miss lets a cheat through."""
        return any(re.search(pattern, text) for pattern in self.suspicious)


@functools.cache
def languages() -> dict[str, Language]:
    """All languages, by the name of their image. Raises UserError for a file that does not follow the form."""
    found = {}
    for path in sorted(bundled("sandboxes").glob("*/language.yaml")):
        try:
            found[path.parent.name] = Language(**yaml.safe_load(path.read_text()))
        except (ValidationError, yaml.YAMLError, TypeError, re.error) as error:
            raise UserError(f"{path} does not follow the form of a language: {error}") from None
    return found


def command_rules(language: Language) -> dict[str, Any]:
    """The part of a job that the language decides."""
    return {
        "file": language.file,
        "steps": [step.model_dump() for step in language.steps],
        "fails_on": language.fails_on.model_dump(),
    }
