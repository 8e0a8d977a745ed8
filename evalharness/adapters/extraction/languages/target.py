"""The function that a MultiPL-E problem's tests call: its name, and where the prompt defines it."""

import re
from dataclasses import dataclass

from evalharness.adapters.extraction.languages.syntax import SYNTAX, LanguageSyntax

TESTED_FUNCTION_PATTERN = re.compile(
    r"""candidate\s*(?::?=|<-)\s*(?:\\&|method\(:)?(?!\W)(\w+) | \(\s*candidate\s(\S+?)\)\)
    | \bcheck\((?!candidate\b)(\w+)\)
    | [aA]ssert\((?!candidate\b)(\w+)\( | \breturn\s(\w+)\(\.\.\.\$args | ^\s+(\w+)\s"\$@" | do:\s(\w+)\(""",
    re.MULTILINE | re.VERBOSE,
)
"""The ways in which the tests, or the prompt for them, name the tested function, over all languages."""


@dataclass(frozen=True)
class TestedFunction:
    """The function that a MultiPL-E problem's tests call, with its language, prompt and tests."""

    language: str
    """MultiPL-E's code of the language."""
    prompt: str
    tests: str

    @property
    def syntax(self) -> LanguageSyntax:
        return SYNTAX[self.language]

    @property
    def name(self) -> str:
        return name_of_tested_function(self.tests, self.prompt)


def name_of_tested_function(tests: str, prompt: str) -> str:
    """Returns the name of the function that the tests call, directly or through a helper in the prompt.

    The problem's id is not used, because it may contain another name: HumanEval_23_strlen tests string_length in C++.
    """
    match = TESTED_FUNCTION_PATTERN.search(tests) or TESTED_FUNCTION_PATTERN.search(prompt)
    return next(filter(None, match.groups())) if match else ""


def prompt_before_definition(target: TestedFunction) -> str:
    """Returns the prompt's text before the last definition of the tested function.

    If the prompt has no definition, returns the text before the last line with the function's name. For example, the C#
    data of 2024-04 have the definition only in a comment. Returns "" if the name does not occur.
    """
    prompt, name = target.prompt, re.escape(target.name)
    starts = [match.start() for match in definition_pattern(target).finditer(prompt)]
    starts = starts or [prompt.rfind("\n", 0, match.start()) + 1 for match in re.finditer(rf"\b{name}\b", prompt)]
    return prompt[: starts[-1]] if starts else ""


def definition_pattern(target: TestedFunction) -> re.Pattern[str]:
    """Returns a regular expression for the start of the tested function's definition, at the beginning of a line."""
    return re.compile(rf"^[ \t]*{target.syntax.definition.replace('{name}', re.escape(target.name))}", re.MULTILINE)
