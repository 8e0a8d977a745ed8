"""Fills placeholders in the text and code templates of generated functions."""

import re
from collections.abc import Iterable, Mapping
from random import Random

from evalharness.training.corpus.generated.function import Param
from evalharness.training.corpus.generated.operations import EXTRA_VALUES

NAME = re.compile(r"\{(\w+)\}")
COMPARISON = re.compile(r"^([^<>=!]+?) (==|!=|<=|<|>=|>|not in|in) ([^<>=!]+)$")
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in"}


def fill_placeholders(template: str, values: Mapping[str, str]) -> str:
    """Returns the template with placeholders (names in braces) replaced; doubled braces become single ones."""
    filled = NAME.sub(lambda match: values.get(match[1], match[0]), template)
    return filled.replace("{{", "{").replace("}}", "}")


def draw_extra_values(random: Random, templates: Iterable[str], taken: set[str]) -> tuple[dict[str, str], list[Param]]:
    """Draws a literal or a parameter name for each constant in the templates, such as a threshold.

    Returns the texts by placeholder, and the parameters that were added to the function. `taken` are the parameter
    names in use; those of the added ones are inserted.
    """
    values: dict[str, str] = {}
    params: list[Param] = []
    for name in dict.fromkeys(name for template in templates for name in NAME.findall(template)):
        if name not in EXTRA_VALUES:
            continue
        extra = EXTRA_VALUES[name]
        free = [option for option in extra.names if option not in taken]
        if random.random() < 0.5 and free and len(params) < 2:
            chosen = random.choice(free[:3])
            taken.add(chosen)
            params.append(Param(chosen, extra.type, extra.sample))
            values[name] = chosen
        else:
            value = extra.sample(random)
            values[name] = repr(value)
    return values, params


def negate_condition(condition: str) -> str:
    """Returns the negation of a condition's code, written as a person would."""
    if condition.startswith("any(") and condition.endswith(")"):
        return f"not {condition}"
    if condition.startswith("not ") and " and " not in condition and " or " not in condition:
        return condition.removeprefix("not ")
    match = COMPARISON.match(condition)
    if match and " and " not in condition and " or " not in condition and " if " not in condition:
        return f"{match[1]} {OPPOSITE[match[2]]} {match[3]}"
    if any(sign in condition for sign in (" and ", " or ", " == ", " < ", " > ", " <= ", " >= ", " in ", " != ")):
        return f"not ({condition})"
    return f"not {condition}"


def predicate_of_clause(clause: str) -> str | None:
    """Returns the predicate of a relative clause with a plural subject: `that are even` -> `are even`.

    None if the clause has no such form.
    """
    if clause.startswith(("that ", "which ")):
        return clause.split(" ", 1)[1]
    if clause.split()[0] in (
        "greater",
        "less",
        "below",
        "above",
        "equal",
        "different",
        "between",
        "longer",
        "shorter",
        "in",
        "outside",
    ):
        return f"are {clause}"
    return None
