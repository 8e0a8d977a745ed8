"""Comparison decides as EvalPlus's own code does, output by output, for whatever is returned and expected."""

from typing import Any

import numpy as np
import pytest
from helpers.official_evalplus import Official
from helpers.programs import oracle_of
from helpers.steady import steady
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.sandbox.agent.judge.comparing.comparison import Comparison, padded_digit_distance, pyramid_surface
from evalharness.sandbox.agent.shared.codec import decode, encode

Pair = tuple[Any, Any]
ENTRY_POINTS = ["f", "f", "are_equivalent", "sum_div", "Diff", "check_str", "surface_Area", "digit_distance_nums"]

numbers = st.one_of(
    st.integers(-3, 3), st.booleans(), st.sampled_from([0.1, 0.5, 1.0, 1e9, float("inf"), float("nan"), 10**9])
)
atoms = st.one_of(numbers, st.none(), st.sampled_from(["", "a", "ab", b"a"]))
values = st.one_of(
    st.recursive(atoms, lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple))),
    st.lists(numbers, max_size=3),
    st.sets(st.integers(0, 3), max_size=3),
    st.dictionaries(st.integers(0, 3), numbers, max_size=2),
    st.builds(np.int64, st.integers(0, 3)),
    st.builds(np.float64, st.sampled_from([0.1, 1.0])),
    st.lists(st.sampled_from([0.1, 1.0]), min_size=1, max_size=2).map(np.array),
)


def moved(value: Any, by: float) -> Any:
    """The value with its numbers moved a little, and so made floats."""
    if isinstance(value, list | tuple):
        return type(value)(moved(item, by) for item in value)
    return value + by if isinstance(value, int | float) else value


def turned(value: Any) -> Any:
    """What looks like the value, but is of another type."""
    if isinstance(value, list | tuple | set):
        return tuple(value) if isinstance(value, list) else list(value)
    return str(value)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """An output and what was expected, often the same or nearly so."""
    expected = draw(values)
    change = draw(st.sampled_from(["none", "none", "little", "much", "type", "any"]))
    if change in ("little", "much"):
        return moved(expected, 3e-7 if change == "little" else 1e-3), expected
    return {"none": expected, "type": turned(expected), "any": draw(values)}[change], expected


def accepted(comparison: Comparison, output: Any, expected: Any, args: list[Any]) -> bool:
    """Whether the judge accepts an output. Both values pass through the codec; an exception counts as wrong."""
    try:
        return comparison.accepts(decode(encode(output, encode_items=True)), decode(encode(expected)), args)
    except Exception:
        return False


@pytest.mark.filterwarnings("ignore")
@settings(steady, max_examples=150)
@given(st.lists(pairs(), min_size=1, max_size=12), st.sampled_from(ENTRY_POINTS), st.sampled_from([0, 0, 1e-6, 1e-4]))
def test_decides_as_the_official_code(official: Official, outputs: list[Pair], entry_point: str, atol: float) -> None:
    inputs = [[3, 4]] * len(outputs)
    dataset = "humaneval" if entry_point == "f" else "mbpp"
    theirs = official.details(dataset, entry_point, inputs, *map(list, zip(*outputs, strict=True)), atol)  # type: ignore[arg-type]
    comparison = Comparison("0.3", oracle_of(entry_point), atol)
    ours = [accepted(comparison, output, expected, [3, 4]) for output, expected in outputs]
    assert ours == theirs


@pytest.mark.parametrize(
    ("coefficients", "root", "right", "early"),
    [
        ([-4, 2], 2.0, True, True),
        ([-4, 2], 2, True, True),
        ([-4, 2], True, False, False),
        ([-4, 2], 1.0, False, False),  # -2 is small enough for 0.2, but 1.0 is not what was expected
        ([-1, 0, 1], -1.0, True, False),
        ([], 2.0, True, True),
    ],
)
def test_roots_of_a_polynomial(coefficients: list[int], root: float, right: bool, early: bool) -> None:
    """Expected was 2.0. The code of release 0.3.1 accepts no root; these are the later rules, and those of 0.2.1."""
    assert accepted(Comparison("0.3", "polynomial_root", 1e-4), root, 2.0, [coefficients]) is right
    assert accepted(Comparison("0.2", "polynomial_root", 1e-4), root, 2.0, [coefficients]) is early


@pytest.mark.parametrize("kind", ["floats", "empty"])
@pytest.mark.parametrize("edition", ["0.2", "0.3"])
def test_what_was_seen_to_be_equal_counts_as_well(edition: str, kind: str) -> None:
    """Outputs whose bytes are those expected are not compared, but what they are decides how later ones are."""
    tolerant = Comparison(edition, "", 0)
    tolerant.update_tolerance(expected_is_float=kind == "floats", expected_is_empty=kind == "empty")
    compared = Comparison(edition, "", 0)
    compared.accepts(*([0.5, 0.5] if kind == "floats" else [[], []]), [])
    assert tolerant.atol == compared.atol == (0 if (edition, kind) == ("0.3", "empty") else 1e-6)


@pytest.mark.parametrize(("edition", "oracle"), [("0.4", ""), ("0.3", "no_such")])
def test_unknown_rules_are_refused(edition: str, oracle: str) -> None:
    with pytest.raises(ValueError, match="unknown"):
        Comparison(edition, oracle, 0)


def test_second_formulas() -> None:
    """evalplus/eval/_special_oracle.py, by hand: slant height 5 for base 6 and height 4; 19 and 01 differ by 1 + 8."""
    assert pyramid_surface(6, 4) == 6 * 6 + 4 * 6 * 5 // 2
    assert padded_digit_distance(19, 1) == 9
    assert padded_digit_distance(1, 19) == 9
