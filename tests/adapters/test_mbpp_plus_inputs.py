"""MBPP+ inputs have their original types, as in the evalplus package."""

import json
from pathlib import Path
from typing import Any

import pytest
from evalplus.data.mbpp import mbpp_deserialize_inputs

from evalharness.adapters.mbpp_plus_inputs import RESTORE_BY_POSITION, RESTORE_EVERY_ARGUMENT, restore_input_types
from evalharness.data.cards import find_task
from evalharness.data.loading import load_records

NUMBERS = sorted(
    {
        number
        for table in (RESTORE_EVERY_ARGUMENT, RESTORE_BY_POSITION)
        for numbers in table.values()
        for number in numbers
    }
)

LISTS = [[[[1, 2], [3]]], [[[], ["a", [1]]]]]
PLANTED: dict[int, list[list[Any]]] = {
    106: [[[1], [2, 3]], [[[1]], []]],
    750: [[[1], [2, 3]]],
    115: [[[[1, 2], [], {}, "a"]], [[]]],
    124: [["1.5", "2+3j"], [0, 1]],
    252: [["1j"], [3], ["(1+2j)"]],
    307: [[[1, [2]], 0, [3]]],
    722: [[{"a": [1, 2], "b": []}, 1, [2]]],
    278: [[[1, [2, [3]], "a"]], [[[1], []]]],
    580: [[[1, [2, [3, [4]]], "a"]], [[]]],
    615: [[[[1, 2], [3]]]],
    791: [[[1, [2]]]],
    **{number: [[[1, [2]], [3, "x"]], [[], [[4]]]] for number in (250, 405, 446, 617, 720, 763, 808)},
    **{number: [[[[1, 2], []], [3]], [[], "a"]] for number in (75, 413, 444, 753)},
}


def equal_with_types(left: Any, right: Any) -> bool:
    """Whether the values and all types in them are equal."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(equal_with_types, left, right))
    if isinstance(left, dict):
        return equal_with_types(list(left.items()), list(right.items()))
    if isinstance(left, float | complex) and left != left:
        return bool(right != right)
    return bool(left == right)


def assert_equals_official(task_id: str, inputs: list[Any]) -> None:
    """Asserts that argument lists equal the package's, which may be tuples instead of lists."""
    ours = restore_input_types(task_id, json.loads(json.dumps(inputs)))
    official = [list(args) for args in mbpp_deserialize_inputs(task_id, json.loads(json.dumps(inputs)))]
    assert equal_with_types([list(args) for args in ours], official), (task_id, ours, official)


@pytest.mark.parametrize("number", NUMBERS)
def test_planted(number: int) -> None:
    assert_equals_official(f"Mbpp/{number}", PLANTED.get(number, LISTS))


def test_inputs_of_other_problems_stay_unchanged() -> None:
    for number in range(1, 1000):
        if number not in NUMBERS:
            assert_equals_official(f"Mbpp/{number}", LISTS)


@pytest.mark.data
@pytest.mark.parametrize("version", ["v0.2.0", "v0.1.0"])
def test_all_real_inputs(version: str, datasets_dir: Path) -> None:
    records = load_records(*find_task("mbpp-plus"), version, datasets_dir).records
    assert len(records) == (378 if version == "v0.2.0" else 399)
    for record in records:
        for field in ("base_input", "plus_input"):
            assert_equals_official(record["task_id"], record[field])
