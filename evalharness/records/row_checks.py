"""Checks a stored completion or verdict, a line of a run directory's .jsonl files: types, and contradicting fields."""

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from evalharness.errors import UserError
from evalharness.records import Completion, Verdict

TYPE_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a finite number",
    str: "a string",
    types.NoneType: "null",
}
"""The types of fields as messages name them."""


def check_field_values(row: Completion | Verdict) -> None:
    """Raises ValueError if a field of a stored completion or verdict has an invalid value, and names the field."""
    kind: Any = type(row)
    for name, allowed in _allowed_values_by_field(kind).items():
        value = getattr(row, name)
        if not _is_allowed_value(value, allowed):
            raise ValueError(
                f"the field {name} is {_shortened_repr(value)}, but must be {_describe_allowed_values(allowed)}"
            )
    if not row.task_id:
        raise ValueError("the field task_id is empty; it must name a problem")
    if row.sample_id < 0:
        raise ValueError(f"the field sample_id is {row.sample_id}; it must not be negative")
    if isinstance(row, Verdict):
        _check_verdict_is_consistent(row)


def _check_verdict_is_consistent(verdict: Verdict) -> None:
    if verdict.passed != (verdict.status == "passed"):
        raise ValueError(
            f"the field status is {verdict.status}, but passed is {str(verdict.passed).lower()}; passed must be true "
            "exactly if status is passed"
        )
    if verdict.passed and verdict.base_passed is False:
        raise ValueError(
            "the field passed is true, but base_passed is false; a sample that passes must also pass the base tests"
        )
    for name in ("cpu_s", "wall_s", "peak_mb"):
        if getattr(verdict, name) < 0:
            raise ValueError(f"the field {name} is {getattr(verdict, name)}; it must not be negative")


@cache
def _allowed_values_by_field(row_type: type[Any]) -> Mapping[str, tuple[Any, ...]]:
    """Returns the allowed types and literal values of each field of a dataclass, by the field's name.

    Fields that contain other dataclasses are left out.
    """
    hints = get_type_hints(row_type)
    allowed = {field.name: _types_allowed_by_hint(hints[field.name]) for field in fields(row_type)}
    return {
        name: kinds
        for name, kinds in allowed.items()
        if not any(is_dataclass(allowed_type) or get_origin(allowed_type) for allowed_type in kinds)
    }


def _types_allowed_by_hint(type_hint: Any) -> tuple[Any, ...]:
    """Returns the types that a type hint allows, or the allowed values if the hint is a Literal."""
    if get_origin(type_hint) in (Union, types.UnionType):
        return tuple(
            allowed_type for alternative in get_args(type_hint) for allowed_type in _types_allowed_by_hint(alternative)
        )
    return get_args(type_hint) if get_origin(type_hint) is Literal else (type_hint,)


def _is_allowed_value(value: Any, allowed_values: tuple[Any, ...]) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return any(
        type(value) is kind or (kind is float and type(value) is int) if isinstance(kind, type) else value == kind
        for kind in allowed_values
    )


def _describe_allowed_values(allowed_values: tuple[Any, ...]) -> str:
    """Returns the allowed types and values of a field in words, such as "a string or null", for a message."""
    words = [TYPE_WORDS[kind] if isinstance(kind, type) else repr(kind) for kind in allowed_values]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _shortened_repr(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def repeated_row_error(location: str, row: Completion | Verdict) -> UserError:
    """Returns the error for a file that has a second line for the same sample; `location` is the file and line."""
    return UserError(
        f"{location}: sample {row.sample_id} of {row.task_id} has a second line; remove one of the two lines"
    )
