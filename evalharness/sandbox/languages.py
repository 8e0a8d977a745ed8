"""The programming languages of sandbox images: how programs run, and the form of tests (`language.yaml`)."""

import functools
import re

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from evalharness.errors import UserError
from evalharness.sandbox.agent.shared.messages import FailureOutputMessage, LanguageRules, ShortcutMessage, StepMessage
from evalharness.util.paths import bundled_folder
from evalharness.util.yaml_text import parse_yaml


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShortcutCommand(_StrictModel):
    """A faster command that replaces a step's command for programs whose beginning matches the regex `begins`."""

    begins: str
    command: list[str]


class CompileOrRunStep(_StrictModel):
    """A command that compiles or runs a program. It must succeed within `time_s` seconds.

    The time that the command waits for a free core does not count.

    `warm`: the image has a compile server, so that the compiler need not start for each program (the Dockerfile writes
    the server's command line to /opt/evalharness/warm/command). If the server cannot compile a program, or the
    `shortcut` fails, the command itself runs and decides the result.
    """

    name: str
    command: list[str]
    time_s: float
    warm: bool = False
    shortcut: ShortcutCommand | None = None


class FailureOutput(_StrictModel):
    """The output that makes a program fail even if it exits with 0, as in MultiPL-E's graders."""

    stderr_contains: list[str] = []
    output_contains: list[str] = []
    stderr_not_empty: bool = False


class TestPatterns(_StrictModel):
    """How to find and change the tests of a language's MultiPL-E programs: regular expressions and statements."""

    line: str
    """A regular expression for one test; its group `expected` is the text of the expected value."""
    end: str
    """A statement that prints `{token}`, inserted after the last test."""
    end_after: str | None = None
    """A regular expression; `end` is inserted after its last match instead."""
    fails: str
    """A statement that makes a program fail."""

    @field_validator("line", "end_after")
    @classmethod
    def _validate_regex(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            re.compile(pattern)
        return pattern


class ComputeOnlyRules(_StrictModel):
    """Word lists by which tampering/plain_text.py recognizes a language's harmless programs, which can only compute.

    Each text has words separated by spaces.
    """

    library: str
    """Keywords, types, functions and members of the language and its library."""
    owners: str = ""
    """Objects whose members a program could replace."""
    typed: bool = False
    """Whether a function's definition begins with a type, and members of the library cannot be replaced."""
    lambdas: bool = False
    """Whether anonymous functions begin with captures in square brackets."""
    never: str = ""
    """Texts that a harmless (compute-only) program does not contain anywhere."""
    never_in_texts: str = ""
    """Texts that no string literal of a harmless (compute-only) program contains."""


class ExampleProblem(_StrictModel):
    """A small problem in MultiPL-E's format with a right and a wrong solution, for `evalharness sandbox check`."""

    prompt: str
    right: str
    wrong: str
    tests: str


class Language(_StrictModel):
    """The content of a `language.yaml`: a programming language that a sandbox image runs.

    `code` is MultiPL-E's name of the language. Without `harmless`, no program of the language is recognized as
    harmless (able only to compute).
    """

    language: str
    code: str
    file: str
    piped: bool = False
    """Whether the program is read from a pipe, whole before it starts: for a shell, which reads a file as it goes."""
    opens: dict[str, int] = {}
    """How often the language's own commands open the source file, or what it is compiled to. A program that opens it
    once more has tampered. Without this, programs of the language can read their own source.
    """
    steps: list[CompileOrRunStep]
    fails_on: FailureOutput = FailureOutput()
    tests: TestPatterns
    harmless: ComputeOnlyRules | None = None
    suspicious: list[str] = []
    """Not used; accepted because language files of version 0.2 have it."""
    hello: ExampleProblem


@functools.cache
def languages_by_image() -> dict[str, Language]:
    """Returns {name of a sandbox image: programming language that it runs}, for the images with a language.yaml.

    Raises UserError for an invalid language.yaml.
    """
    by_image = {}
    for path in sorted(bundled_folder("sandboxes").glob("*/language.yaml")):
        try:
            by_image[path.parent.name] = Language(**parse_yaml(path.read_text()))
        except (ValidationError, yaml.YAMLError, TypeError, re.error) as error:
            raise UserError(
                f"{path} is not a valid language file ({error}); correct it as docs/extending/language.md describes"
            ) from None
    return by_image


def language_rules(language: Language) -> LanguageRules:
    """Returns how to run programs of a language, as the part of a job message that the sandbox agent reads."""
    fails_on = language.fails_on
    return LanguageRules(
        file=language.file,
        piped=language.piped,
        opens=language.opens,
        steps=[_make_step_message(step) for step in language.steps],
        fails_on=FailureOutputMessage(
            stderr_contains=fails_on.stderr_contains,
            output_contains=fails_on.output_contains,
            stderr_not_empty=fails_on.stderr_not_empty,
        ),
    )


def _make_step_message(step: CompileOrRunStep) -> StepMessage:
    shortcut = step.shortcut
    return StepMessage(
        name=step.name,
        command=step.command,
        time_s=step.time_s,
        warm=step.warm,
        shortcut=ShortcutMessage(begins=shortcut.begins, command=shortcut.command) if shortcut else None,
    )
