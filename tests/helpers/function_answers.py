"""Answers with a right function in every language of MultiPL-E, in the forms in which chat models write them."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from evalharness.adapters.extraction.languages.target import TestedFunction
from evalharness.sandbox.languages import Language, languages_by_image
from helpers.answer_forms import fenced, quoted

CODES: Mapping[str, Mapping[str, str]] = yaml.safe_load(
    (Path(__file__).parents[1] / "adapters/extraction/languages/forms.yaml").read_text()
)
"""Right code by MultiPL-E's code of the language and the name of the form."""
PASCAL = "function add_up(a, b: integer): integer;\nbegin\n  add_up := a - b\nend;"
WRAPPINGS: Mapping[str, Callable[[str, str], str]] = {
    # name of the form: answer from (code, language after the fence)
    "prose around": lambda code, tag: f"Sure!\n\n{fenced(code, tag)}\nIt adds, doesn't it?\n",
    "no language": lambda code, tag: fenced(code, ""),
    "tildes": lambda code, tag: fenced(code, tag, "~~~"),
    "no closing fence": lambda code, tag: f"Here:\n\n```{tag}\n{code}",
    "block quote": lambda code, tag: quoted(f"Here:\n\n{fenced(code, tag)}"),
    "item of a list": lambda code, tag: f"1. So:\n\n{textwrap.indent(fenced(code, tag), '   ')}",
    "fence behind text": lambda code, tag: f"Here: {fenced(code, tag)}",
    "closing fence alone": lambda code, tag: f"{code.rstrip()}\n```\n",
    "no fence": lambda code, tag: code,
    "no fence, prose around": lambda code, tag: f"Here is the function:\n\n{code}\n\nIt's done, isn't it?\n",
    "reasoning": lambda code, tag: f"<think>\n```{tag}\nwrong(\n```\nNo.\n</think>\n{fenced(code, tag)}",
    "installation first, usage after": lambda code, tag: (
        f"{fenced('apt install it', 'console')}\n{fenced(code, tag)}Output:\n{fenced('3', '')}"
    ),
    "another language after": lambda code, tag: f"{fenced(code, tag)}In Pascal:\n{fenced(PASCAL, 'pascal')}",
    "Windows line breaks": lambda code, tag: fenced(code, tag).replace("\n", "\r\n"),
}


def language_of(code: str) -> tuple[str, Language]:
    """Returns the image and the description of the language with MultiPL-E's code."""
    return next((image, language) for image, language in languages_by_image().items() if language.code == code)


def target_of(code: str) -> TestedFunction:
    """Returns the problem "add two numbers" in the language."""
    _, language = language_of(code)
    return TestedFunction(code, language.hello.prompt, language.hello.tests)


def answers(code: str) -> dict[str, str]:
    """Returns the language's answers by the name of their form: each code in a fence, and "plain" in all wrappings."""
    fences = {name: fenced(text, code) for name, text in CODES[code].items()}
    return fences | {name: wrap(CODES[code]["plain"], code) for name, wrap in WRAPPINGS.items()}
