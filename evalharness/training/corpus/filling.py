"""Templates of text and code: values in braces, extra values as literals or as further parameters."""

import re
from collections.abc import Iterable, Mapping
from random import Random

from evalharness.training.corpus.function import Param
from evalharness.training.corpus.pieces import EXTRAS

NAME = re.compile(r"\{(\w+)\}")
COMPARISON = re.compile(r"^([^<>=!]+?) (==|!=|<=|<|>=|>|not in|in) ([^<>=!]+)$")
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in"}


def put(template: str, values: Mapping[str, str]) -> str:
    """The template with its names in braces replaced; doubled braces stand for single ones."""
    filled = NAME.sub(lambda found: values.get(found[1], found[0]), template)
    return filled.replace("{{", "{").replace("}}", "}")


def extras(random: Random, templates: Iterable[str], taken: set[str]) -> tuple[dict[str, str], list[Param]]:
    """A value for each extra name in the templates, and the parameters that this takes. `taken` grows."""
    values: dict[str, str] = {}
    params: list[Param] = []
    for name in dict.fromkeys(found for template in templates for found in NAME.findall(template)):
        if name not in EXTRAS:
            continue
        extra = EXTRAS[name]
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


def negated(condition: str) -> str:
    """The opposite of a condition, as a person would write it."""
    if condition.startswith("any(") and condition.endswith(")"):
        return f"not {condition}"
    if condition.startswith("not ") and " and " not in condition and " or " not in condition:
        return condition.removeprefix("not ")
    found = COMPARISON.match(condition)
    if found and " and " not in condition and " or " not in condition and " if " not in condition:
        return f"{found[1]} {OPPOSITE[found[2]]} {found[3]}"
    if any(sign in condition for sign in (" and ", " or ", " == ", " < ", " > ", " <= ", " >= ", " in ", " != ")):
        return f"not ({condition})"
    return f"not {condition}"


def predicate(that: str) -> str | None:
    """A relative clause as what is said of a plural subject: `that are even` -> `are even`. None if it cannot be."""
    if that.startswith(("that ", "which ")):
        return that.split(" ", 1)[1]
    if that.split()[0] in (
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
        return f"are {that}"
    return None
