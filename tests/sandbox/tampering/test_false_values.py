"""False values are like the right ones of their problem."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.sandbox.tampering.false_values import (
    NUMBER,
    _are_unequal_values,
    make_unequal_value,
    normalize_literal,
)

MANY = range(60)


def drawn(value: str, values: list[str]) -> set[str]:
    return {str(make_unequal_value(value, values)) for _ in MANY}


def test_an_answer_of_two_becomes_the_other() -> None:
    assert drawn('"YES"', ['"YES"', '"NO"', '"YES"', '"NO"']) == {'"NO"'}
    assert drawn("true", ["true", "true"]) == {"false"}


def test_a_list_keeps_its_items() -> None:
    values = ["[1, 2, 3]", "[9, 8, 7]"]
    for changed in drawn(values[0], values):
        assert sorted(changed) == sorted(values[0])


def test_a_number_stays_in_the_range_of_its_problem() -> None:
    values = ["0.5", "0.33", "0.456"]
    for changed in drawn("0.33", values):
        assert 0.33 <= float(changed) <= 0.5
        assert changed not in values


def test_a_text_keeps_its_letters() -> None:
    for changed in drawn('"hello"', ['"hello"', '"world"']):
        assert sorted(changed) == sorted('"hello"')


def test_keys_of_a_table_are_not_exchanged() -> None:
    """Two keys with the same value: the table would stay the same."""
    values = ['{"a": 1, "b": 1}', '{"c": 1}']
    for changed in drawn(values[0], values):
        assert set(changed) != set(values[0]) or NUMBER.findall(changed) != ["1", "1"]


@pytest.mark.parametrize("value", ["{1, 2, 3}", '{"apple", "banana"}', "new Set([4, 5])", "HashSet::from([1, 2])"])
def test_a_set_is_not_merely_written_in_another_order(value: str) -> None:
    items = sorted(re.findall(r"\w+", value))
    for changed in drawn(value, []) | drawn(value, [value, value.replace("2", "7")]):
        assert sorted(re.findall(r"\w+", changed)) != items


@pytest.mark.parametrize("other", ["undefined", "None", "NULL", "nil"])
def test_nothing_is_equal_in_every_form(other: str) -> None:
    assert not _are_unequal_values("null", other)


VALUES = st.lists(
    st.integers(0, 10**6).map(str)
    | st.floats(0, 99).map(lambda number: f"{number:.2f}")
    | st.lists(st.integers(0, 99)).map(str)
    | st.text("abcxyz", max_size=8).map(lambda text: f'"{text}"'),
    min_size=2,
    max_size=9,
)


@given(VALUES)
def test_distinct_values_stay_distinct(values: list[str]) -> None:
    if len({normalize_literal(value) for value in values}) == len(values):
        for index, value in enumerate(values):
            other = make_unequal_value(value, values)
            if other is not None and other not in values:
                changed = [*values[:index], other, *values[index + 1 :]]
                assert len({normalize_literal(item) for item in changed}) == len(values)


@given(VALUES)
def test_a_false_value_is_unequal_by_any_comparison(values: list[str]) -> None:
    for value in values:
        other = make_unequal_value(value, values)
        assert other is None or _are_unequal_values(other, value)
