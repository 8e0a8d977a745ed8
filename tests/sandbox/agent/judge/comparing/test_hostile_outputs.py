"""Whatever pieces a process sends, the comparison accepts only those of an output that is right by itself."""

import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
from helpers.plain_values import plain_values
from hypothesis import given
from hypothesis import strategies as st

from evalharness.sandbox.agent.judge.comparing.comparison import Comparison
from evalharness.sandbox.agent.judge.comparing.expected import ExpectedOutputs, pack_expected_outputs
from evalharness.sandbox.agent.judge.comparing.outputs import SampleCall, outcome_if_output_is_wrong
from evalharness.sandbox.agent.sample.running import NO_SETTINGS, CallFunctionWork
from evalharness.sandbox.agent.shared import codec, wire
from evalharness.sandbox.agent.shared.outputs import (
    CHUNK_ELEMENTS,
    MalformedPieces,
    decode_pieces,
    digest_of_pieces,
    encode_in_pieces,
)

LONG = CHUNK_ELEMENTS + 5
WORK = CallFunctionWork(NO_SETTINGS, 64, "", "f", wire.dumps([[1]]), "")


def accepted(expected: Any, pieces: list[bytes], floats: bool = False, atol: float = 0, edition: str = "0.3") -> str:
    """The status of an output of these pieces, `passed` if it is right."""
    expected_pieces = list(encode_in_pieces(expected))
    facts = (0.0, floats, False, True)
    data = pack_expected_outputs([facts], [None], [digest_of_pieces(expected_pieces)])
    known = ExpectedOutputs(data, lambda index, seconds: expected_pieces)
    call = SampleCall(WORK, 0, Comparison(edition, "", atol))
    wrong = outcome_if_output_is_wrong(call, b"d", b"another digest 0", partial(list, pieces), known)
    return wrong.status if wrong else "passed"


def reference(pieces: list[bytes]) -> Any:
    """A plain reading of pieces: the value whose pieces they are. Raises ValueError for anything else."""
    if codec.decode(pieces[0]) is None and len(pieces) == 2:
        return codec.decode(pieces[1])
    kind, length = codec.decode(pieces[0])
    items = [item for piece in pieces[1:] for item in codec.decode(piece)]
    value = tuple(items) if kind == "tuple" else items
    if kind not in ("list", "tuple") or len(items) != length or list(encode_in_pieces(value)) != pieces:
        raise ValueError("not the pieces of any value")
    return value


EMPTY = [np.zeros((0, 1)), np.zeros(0), np.zeros((3, 0)), [], (), [[]], "", b"", range(0), {}]
HEADERS: list[Any] = [
    None,
    ("list", LONG),
    ("tuple", LONG),
    ("list", 5),
    ("set", LONG),
    ("list", True),
    ("list", -1),
    0,
    [],
    ("list",),
]


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
@pytest.mark.parametrize("atol", [0, 1e-6])
@pytest.mark.parametrize("edition", ["0.2", "0.3"])
def test_nothing_without_elements_equals_a_long_list(empty: Any, atol: float, edition: str) -> None:
    header, piece = codec.encode(("list", LONG)), codec.encode(empty)
    for pieces in ([header, piece, piece], [header, piece], [header], [codec.encode(None), piece], []):
        assert accepted([1.5] * LONG, pieces, floats=bool(atol), atol=atol, edition=edition) != "passed"


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
@pytest.mark.parametrize("expected", [[1.5], [0.0], (1.0, 2.0), 1.5, [[1.0]], "a", True, 0])
@pytest.mark.parametrize("edition", ["0.2", "0.3"])
def test_nothing_without_elements_equals_a_value_with_some(empty: Any, expected: Any, edition: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert accepted(expected, list(encode_in_pieces(empty)), atol=1e-6, edition=edition) != "passed"


PIECES = st.lists(
    st.sampled_from([*map(codec.encode, HEADERS)])
    | st.sampled_from(
        [codec.encode([0] * size) for size in (0, 1, 5, CHUNK_ELEMENTS - 1, CHUNK_ELEMENTS, CHUNK_ELEMENTS + 1, LONG)]
    )
    | st.sampled_from(
        [
            codec.encode(value)
            for value in (*EMPTY, np.zeros(CHUNK_ELEMENTS), np.zeros((CHUNK_ELEMENTS, 1)), range(CHUNK_ELEMENTS))
        ]
    )
    | plain_values.map(codec.encode)
    | st.binary(max_size=20),
    max_size=4,
)


@given(PIECES, st.sampled_from([0, 1e-6]), st.sampled_from(["0.2", "0.3"]))
def test_only_the_pieces_of_a_right_value_are_accepted(pieces: list[bytes], atol: float, edition: str) -> None:
    expected = [0] * LONG
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status = accepted(expected, pieces, atol=atol, edition=edition)
        assert status in ("passed", "failed", "tampered")
        if status == "passed":
            value = reference(pieces)
            assert Comparison(edition, "", atol).accepts(value, expected, None)


@given(st.integers(0, 9).map(lambda digit: [digit] * LONG) | plain_values, st.booleans())
def test_pieces_give_back_their_value(value: Any, as_tuple: bool) -> None:
    value = tuple(value) if as_tuple and isinstance(value, list) else value
    pieces = list(encode_in_pieces(value))
    assert codec.encode(decode_pieces(pieces)) == codec.encode(value)


@given(st.integers(0, 2), st.integers(0, 2), st.booleans())
def test_missing_or_repeated_pieces_are_refused(drop: int, repeat: int, exchange: bool) -> None:
    pieces = list(encode_in_pieces([1] * (2 * LONG)))
    changed = [*pieces[:1], *pieces[1 + drop :], *pieces[1 : 1 + repeat]]
    if exchange:
        changed[1:] = changed[:0:-1]
    if changed != pieces:
        with pytest.raises(MalformedPieces):
            decode_pieces(changed)


FORGED = {
    "a shape that the data do not have": ("numpy", "<f8", (0, 1), bytes(8)),
    "a shape with a negative size": ("numpy", "<f8", (-1, 1), bytes(8)),
    "a shape in a list": ("numpy", "<f8", [1], bytes(8)),
    "a scalar of two": ("numpy", "<f8", None, bytes(16)),
    "a scalar of none": ("numpy", "<f8", None, b""),
    "a shape of truth values": ("numpy", "<f8", (True,), bytes(8)),
    "items that are a text": ("opaque", "x", "text"),
    "too many fields": ("opaque", "x", None, None),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_values_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="do not encode a plain value"):
        codec.decode(wire.dumps((codec.TAG, *FORGED[name])))


def test_a_negative_number_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        codec.decode(b"[\xff\xff\xff\xff")
