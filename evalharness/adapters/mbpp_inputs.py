"""Restores the types that MBPP+ inputs lose in JSON: tuples, sets and complex numbers, by problem number.

Facts from evalplus/evalplus, evalplus/data/mbpp.py `mbpp_deserialize_inputs`; verdicts change without them.
"""

from collections.abc import Callable
from typing import Any

Restore = Callable[[Any], Any]


def _as_is(value: Any) -> Any:
    return value


def _tuples(value: Any) -> list[Any]:
    return [tuple(item) for item in value]


def _tuple_of_tuples(value: Any) -> tuple[Any, ...]:
    return tuple(_tuples(value))


def _tuple_with_tuples(value: Any) -> tuple[Any, ...]:
    return tuple(tuple(item) if isinstance(item, list) else item for item in value)


def _sets(value: Any) -> list[Any]:
    # An empty list stands for an empty dict, not for an empty set.
    return [set(item) if isinstance(item, list) and item else {} for item in value]


def _values_to_tuples(value: Any) -> dict[Any, Any]:
    return {key: tuple(item) for key, item in value.items()}


def _deep_tuple(value: Any) -> Any:
    return tuple(_deep_tuple(item) for item in value) if isinstance(value, list) else value


EVERY: dict[Restore, list[int]] = {
    tuple: [2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809],
    _tuples: [63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780],
    _tuple_of_tuples: [259, 401, 445],
    _tuple_with_tuples: [278],
    _sets: [115],
    _deep_tuple: [580, 615, 791],
    complex: [252],
}
"""Problems all of whose arguments are restored alike."""

EACH: dict[tuple[Restore, ...], list[int]] = {
    (_tuples,): [75, 413, 444, 753],
    (_as_is, tuple): [106, 750],
    (tuple,): [250, 307, 405, 446, 617, 720, 763, 808],
    (float, complex): [124],
    (_values_to_tuples,): [722],
}
"""Problems whose arguments are restored one by one; further ones stay as they are."""


def restore_inputs(task_id: str, inputs: list[list[Any]]) -> list[Any]:
    """The argument lists of a problem such as "Mbpp/115", with the types its reference solution was written for."""
    number = int(task_id.rpartition("/")[2])
    for restore, numbers in EVERY.items():
        if number in numbers:
            return [[restore(value) for value in args] for args in inputs]
    for restores, numbers in EACH.items():
        if number in numbers:
            return [_restore_each(restores, args) for args in inputs]
    return inputs


def _restore_each(restores: tuple[Restore, ...], args: list[Any]) -> list[Any]:
    return [restore(value) for restore, value in zip(restores, args, strict=False)] + args[len(restores) :]
