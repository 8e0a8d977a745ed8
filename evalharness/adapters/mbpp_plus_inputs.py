"""Restores the types that the inputs of MBPP+ lose in JSON: tuples, sets and complex numbers.

Source: evalplus/evalplus, evalplus/data/mbpp.py `mbpp_deserialize_inputs`. Verdicts change without it.
"""

from collections.abc import Callable
from typing import Any

TypeRestorer = Callable[[Any], Any]


def _keep_unchanged(argument: Any) -> Any:
    return argument


def _to_list_of_tuples(argument: Any) -> list[Any]:
    return [tuple(item) for item in argument]


def _to_tuple_of_tuples(argument: Any) -> tuple[Any, ...]:
    return tuple(_to_list_of_tuples(argument))


def _to_tuple_of_values_and_tuples(argument: Any) -> tuple[Any, ...]:
    return tuple(tuple(item) if isinstance(item, list) else item for item in argument)


def _to_list_of_sets(argument: Any) -> list[Any]:
    # An empty list stands for an empty dict, not for an empty set.
    return [set(item) if isinstance(item, list) and item else {} for item in argument]


def _to_dict_of_tuples(argument: Any) -> dict[Any, Any]:
    return {key: tuple(item) for key, item in argument.items()}


def _to_nested_tuples(argument: Any) -> Any:
    return tuple(_to_nested_tuples(item) for item in argument) if isinstance(argument, list) else argument


RESTORE_EVERY_ARGUMENT: dict[TypeRestorer, list[int]] = {
    tuple: [2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809],
    _to_list_of_tuples: [63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780],
    _to_tuple_of_tuples: [259, 401, 445],
    _to_tuple_of_values_and_tuples: [278],
    _to_list_of_sets: [115],
    _to_nested_tuples: [580, 615, 791],
    complex: [252],
}
"""Problem numbers by the function that restores the type of every argument."""

RESTORE_BY_POSITION: dict[tuple[TypeRestorer, ...], list[int]] = {
    (_to_list_of_tuples,): [75, 413, 444, 753],
    (_keep_unchanged, tuple): [106, 750],
    (tuple,): [250, 307, 405, 446, 617, 720, 763, 808],
    (float, complex): [124],
    (_to_dict_of_tuples,): [722],
}
"""Problem numbers by the functions that restore the types of the first arguments; others stay unchanged."""


def restore_input_types(task_id: str, inputs: list[list[Any]]) -> list[Any]:
    """Returns the inputs of an MBPP+ problem with tuples, sets and complex numbers restored from their JSON form.

    `task_id` is the problem's id, such as "Mbpp/115". Each input is the list of arguments of one call.
    """
    number = int(task_id.rpartition("/")[2])
    for restore, numbers in RESTORE_EVERY_ARGUMENT.items():
        if number in numbers:
            return [[restore(value) for value in arguments] for arguments in inputs]
    for restores, numbers in RESTORE_BY_POSITION.items():
        if number in numbers:
            return [_restore_argument_types(restores, arguments) for arguments in inputs]
    return inputs


def _restore_argument_types(type_restorers: tuple[TypeRestorer, ...], arguments: list[Any]) -> list[Any]:
    restored = [restore(value) for restore, value in zip(type_restorers, arguments, strict=False)]
    return restored + arguments[len(type_restorers) :]
