"""Values arrive unchanged; values without a plain form do no harm."""

import signal
import struct
from collections import Counter, OrderedDict, deque, namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from helpers.plain_values import atoms, plain_values
from helpers.steady import steady
from hypothesis import given
from hypothesis import strategies as st

from evalharness.sandbox.agent.shared.codec import OpaqueValue, can_be_marshalled, decode, encode

Point = namedtuple("Point", "x y")
Number = IntEnum("Number", "one two")


class Text(str):
    pass


def same(one: Any, other: Any) -> bool:
    """Whether two values and their items are equal and of equal types. NaN equals itself, 0.0 is unequal to -0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, complex):
        return same((one.real, one.imag), (other.real, other.imag))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, set | frozenset):
        left = list(other)
        return len(one) == len(other) and all(any(same(item, candidate) for candidate in left) for item in one)
    return bool(one == other)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in code that takes longer."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@steady
@given(plain_values)
def test_plain_values_arrive_as_they_were(value: Any) -> None:
    assert can_be_marshalled(value)
    assert same(decode(encode(value)), value)
    assert same(decode(encode(value, encode_items=True)), value)


@steady
@given(st.lists(atoms, max_size=4).map(lambda items: [*items, Text("x")]))
def test_plain_values_beside_others_arrive_as_they_were(value: list[Any]) -> None:
    assert same(decode(encode(value))[:-1], value[:-1])


@pytest.mark.parametrize(
    "value",
    [
        Counter("abracadabra"),
        OrderedDict([(2, 1), (1, 2)]),
        Decimal("1.50"),
        Fraction(-2, 6),
        range(9, 1, -2),
        bytearray(b"a\0"),
        {2: 1, 1: 2}.keys(),
        {2: [1], 1: [2]}.items(),
        Point(1, [2]),
        Number.two,
        Text("x"),
        np.int64(-5),
        np.uint8(255),
        np.float64(0.1),
        np.float32(0.1),
        np.bool_(True),
        np.complex128(1j),
        np.str_("é"),
        np.str_(""),
        np.bytes_(b""),
        np.bytes_(b"a"),
        [np.int64(1), {"a": (np.float64(2.0),)}],
        {np.int64(1): {Fraction(1, 2)}},
    ],
    ids=lambda value: f"{type(value).__name__} {value}",
)
def test_other_values_arrive_equal(value: Any) -> None:
    arrived = decode(encode(value))
    assert arrived == value
    assert type(arrived).__name__ == type(value).__name__


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.arange(6)[::2],
        np.array(3),
        np.array([]),
        np.zeros((0, 3)),
        np.array([0.5], dtype=">f4"),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([b"a", b""]),
        np.array([1j]),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_arrays_arrive_equal(array: np.ndarray[Any, Any]) -> None:
    arrived = decode(encode(array))
    assert (arrived.dtype, arrived.shape) == (array.dtype, array.shape)
    assert np.array_equal(arrived, array)


@pytest.mark.parametrize("value", [deque([1]), object(), len, Ellipsis, iter([1]), np.array([None]), OpaqueValue, Enum])
def test_what_has_no_plain_form_equals_nothing(value: Any) -> None:
    arrived = decode(encode(value))
    assert isinstance(arrived, OpaqueValue)
    assert arrived not in (value, [1], None)
    assert arrived != decode(encode(value))


@pytest.mark.parametrize("value", [(i for i in [1, (2,)]), deque([1, (2,)]), iter([1, (2,)]), map(int, ())])
def test_items_of_an_iterable_are_encoded_on_request(value: Any) -> None:
    expected = [] if isinstance(value, map) else [1, (2,)]
    assert list(decode(encode(value, encode_items=True))) == expected


def test_deep_nesting_is_decoded_or_refused() -> None:
    nest: Any = 1
    for _ in range(100_000):
        nest = [nest]
    assert isinstance(decode(encode(nest)), OpaqueValue)
    assert isinstance(decode(encode((nest, np.int64(1)))), OpaqueValue)
    with pytest.raises(ValueError, match="do not encode a plain value"):
        decode(b"[\1\0\0\0" * 100_000 + b"N")


def test_a_list_that_contains_itself_ends() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with within(2):
        assert isinstance(decode(encode(ring)), OpaqueValue)


def test_a_value_that_is_shared_many_times_is_decoded() -> None:
    tower: Any = 1
    for _ in range(18):
        tower = [tower, tower]
    assert decode(encode(tower)) == tower
