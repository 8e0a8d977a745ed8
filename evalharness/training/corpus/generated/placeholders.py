"""Fills placeholders in the text and code templates of generated functions."""

import re
from collections.abc import Iterable, Mapping
from random import Random

from evalharness.training.corpus.generated.function import Parameter
from evalharness.training.corpus.generated.operations import VALUE_PLACEHOLDERS

NAME = re.compile(r"\{(\w+)\}")
COMPARISON = re.compile(r"^([^<>=!]+?) (==|!=|<=|<|>=|>|not in|in) ([^<>=!]+)$")
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in"}


def fill_placeholders(template: str, values: Mapping[str, str]) -> str:
    """Returns the template with each placeholder (a name in braces) replaced by its value; `{{` becomes `{`."""
    filled = NAME.sub(lambda match: values.get(match[1], match[0]), template)
    return filled.replace("{{", "{").replace("}}", "}")


def draw_literals_and_parameters(
    random: Random, templates: Iterable[str], used_names: set[str]
) -> tuple[dict[str, str], list[Parameter]]:
    """Draws, for each placeholder of `VALUE_PLACEHOLDERS` in the templates, either a literal or a new parameter.

    Returns the code by placeholder (the literal, or the parameter's name), and the new parameters. Their names are
    added to `used_names`, the names in use.
    """
    values: dict[str, str] = {}
    params: list[Parameter] = []
    for name in dict.fromkeys(name for template in templates for name in NAME.findall(template)):
        if name not in VALUE_PLACEHOLDERS:
            continue
        extra = VALUE_PLACEHOLDERS[name]
        free = [option for option in extra.names if option not in used_names]
        if random.random() < 0.5 and free and len(params) < 2:
            chosen = random.choice(free[:3])
            used_names.add(chosen)
            params.append(Parameter(chosen, extra.type, extra.sample))
            values[name] = chosen
        else:
            value = extra.sample(random)
            values[name] = repr(value)
    return values, params


def negate_condition(condition: str) -> str:
    """Returns the code of a condition's negation, as a person would write it: `x % 2 == 0` -> `x % 2 != 0`."""
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
    """Returns the predicate in a clause that describes a plural noun: `that are even` -> `are even`.

    A clause without a verb gets one: `greater than 3` -> `are greater than 3`. Returns None for a clause of another
    form.
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
