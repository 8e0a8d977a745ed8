"""Test cases are read without running anything of theirs, and compared as the official grader does."""

import base64
import json
import pickle
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.sandbox.agent.judge.comparing import case_data
from evalharness.sandbox.agent.judge.comparing.case_data import (
    LiveCodeBenchCase,
    MalformedCases,
    explain_difference,
    is_equal,
    parse_test_cases,
    read_pickled_string,
)

ROWS = [
    {"input": "1\n", "output": "größe 🙂", "testtype": "stdin"},
    {"input": "", "output": "x" * 300, "testtype": "stdin"},
]
READ = [LiveCodeBenchCase("1\n", "größe 🙂"), LiveCodeBenchCase("", "x" * 300)]


def packed(value: Any, protocol: int = 4) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol))).decode()


def test_public_tests_come_first_and_private_ones_in_either_form() -> None:
    text = json.dumps(ROWS)
    assert parse_test_cases(text, "") == READ
    assert parse_test_cases(text, text) == READ * 2
    assert parse_test_cases("[]", text) == READ
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert parse_test_cases(text, packed(text, protocol)) == READ * 2
    assert parse_test_cases("[]", "[]") == []


@given(st.text())
def test_the_text_of_a_pickle_is_what_unpickling_gives(text: str) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert read_pickled_string(pickle.dumps(text, protocol)) == text


class Evil:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('a pickle ran code')",)


@pytest.mark.parametrize(
    "field",
    [
        packed(Evil()),
        packed([json.dumps(ROWS)]),
        packed((json.dumps(ROWS), Evil())),
        packed(5),
        packed(b"[]"),
        base64.b64encode(zlib.compress(b"")).decode(),
        base64.b64encode(zlib.compress(pickle.dumps("[]"))[:-4]).decode(),
        base64.b64encode(b"no zlib").decode(),
        "no base64, and no JSON",
        packed("no JSON"),
        packed('{"input": "1"}'),
        '[{"input": 1, "output": "2"}]',
        '[{"input": "1"}]',
        "5",
    ],
)
def test_other_private_tests_are_refused_and_nothing_of_them_runs(field: str) -> None:
    with pytest.raises(MalformedCases):
        parse_test_cases("[]", field)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_data, "MAX_TEST_BYTES", 1 << 20)
    with pytest.raises(MalformedCases, match="larger than 1 MiB when decompressed"):
        parse_test_cases("[]", packed(" " * (2 << 20) + "[]"))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("a\n", "a"),
        ("\n a \n\tb\n\n", "a\nb"),
        ("1.0", "1.00"),
        ("1e3 -2", "1000 -2.0"),
        ("", "\n"),
        ("1 2", "1   2"),
        ("0.1", "1e-1"),
    ],
)
def test_alike(printed: str, expected: str) -> None:
    assert explain_difference(printed, expected) == ""


@pytest.mark.parametrize(
    ("printed", "expected", "why"),
    [
        ("a", "b", "line 1: 'a', expected 'b'"),
        ("a\n\nb", "a\nb", "3 lines were printed, not 2"),
        ("1 2", "1", "line 1: "),
        ("0.30000000000000004", "0.3", "line 1: "),
        ("a  b", "a b", "line 1: "),
        ("nan", "NaN", "line 1: "),
        ("sNaN", "1", "line 1: "),
        ("1\nx", "1.0\n2", "line 2: 'x', expected '2'"),
        ("x" * 1000, "y", "line 1: '" + "x" * 76 + "..."),
    ],
)
def test_different(printed: str, expected: str, why: str) -> None:
    assert explain_difference(printed, expected).startswith(why)


def test_returned_values() -> None:
    assert is_equal((1, 2), [1, 2])
    assert not is_equal([(1, 2)], [[1, 2]])
    assert is_equal(True, 1)
    assert is_equal([1.0], [1])
    assert is_equal(np.array([2]), [2])
    assert not is_equal("1", 1)
    with pytest.raises(ValueError, match="ambiguous"):
        is_equal(np.array([1, 2]), [1, 2])
