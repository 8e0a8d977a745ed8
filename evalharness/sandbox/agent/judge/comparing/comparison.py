"""Compares outputs with expected ones by the rules of EvalPlus.

Source: evalplus/evalplus, evalplus/eval/__init__.py `unsafe_execute` and evalplus/eval/_special_oracle.py, in two
editions: `0.3` as of commit 26d6d00, and `0.2` as of tag v0.2.1, which graded the data versions of its time. Quirks
that verdicts depend on are kept: once a float is expected, the comparison is tolerant for all later outputs of the part
(`atol` stays), and special comparison rules (oracles) that use the input see it as the program left it.
"""

import math
from typing import Any

import numpy as np

from ...shared.outputs import consists_of_floats, is_empty_sequence

FLOAT_ATOL = 1e-6
RTOL = 1e-07
EDITIONS = ("0.2", "0.3")


class Comparison:
    """Compares the outputs of one group of inputs with the expected ones, in order, by EvalPlus's rules.

    `oracle` names EvalPlus's special comparison rule for the function under test; empty if it has none.
    """

    def __init__(self, edition: str, oracle: str, atol: float):
        if edition not in EDITIONS or (oracle and oracle not in ORACLES):
            raise ValueError(
                f"unknown EvalPlus edition {edition!r} or special comparison rule (oracle) {oracle!r}; "
                f"editions: {', '.join(EDITIONS)}; oracles: {', '.join(ORACLES)}"
            )
        self.early = edition == "0.2"
        self.oracle, self.atol = oracle, atol

    def update_tolerance(self, expected_is_float: bool, expected_is_empty: bool) -> None:
        """Updates the absolute tolerance (`atol`) after an output was compared. Call it for every output, in order.

        `expected_is_float`: whether the expected value is a float or consists of floats; `expected_is_empty`: whether
        it is an empty list or tuple.
        """
        if self.oracle == "polynomial_root" and not self.early:
            return
        if self.atol == 0 and (expected_is_float or (self.early and expected_is_empty)):
            self.atol = FLOAT_ATOL

    def accepts(self, output: Any, expected: Any, args: Any) -> bool:
        """Returns whether an output equals the expected value by EvalPlus's rules; `args` are the call's arguments.

        Raises what the comparison raises, for example an exception of a sample's `__eq__`; the caller counts an
        exception as a wrong output.
        """
        exact = output == expected
        if self.oracle == "polynomial_root":
            value = polynomial_value(args[0], output)
            if not self.early:
                return bool(abs(value) <= self.atol)
            if not value <= self.atol:
                return False
        elif self.oracle:
            exact = ORACLES[self.oracle](exact, output, expected, args, self.atol)
        self.update_tolerance(consists_of_floats(expected), is_empty_sequence(expected))
        if exact or self.atol == 0:
            return bool(exact)
        return self._is_close(output, expected)

    def _is_close(self, output: Any, expected: Any) -> bool:
        if np.size(output) == 0 and np.size(expected) != 0:
            return False  # the official comparison accepts an empty output for any expected value
        if self.early:
            np.testing.assert_allclose(output, expected, rtol=RTOL, atol=self.atol)
            return True
        if type(output) is not type(expected):
            return False
        if isinstance(expected, list | tuple) and len(output) != len(expected):
            return False
        return bool(np.allclose(output, expected, rtol=RTOL, atol=self.atol))


def polynomial_value(coefficients: Any, x: Any) -> float:
    """Returns the value at x of the polynomial with these coefficients, constant first (to check HumanEval/32)."""
    total: float = sum([coefficient * math.pow(x, power) for power, coefficient in enumerate(coefficients)])
    return total


def pyramid_surface(base: float, height: float) -> int:
    """Returns the rounded surface area of a square pyramid with base edge `base` (to check Mbpp/581)."""
    slant = math.sqrt((base / 2) ** 2 + height**2)
    return round(base**2 + 4 * (base * slant) / 2)


def padded_digit_distance(first: int, second: int) -> int:
    """Returns the sum of the absolute differences between the digits of two numbers (to check Mbpp/558).

    Pads the shorter number with leading zeros.
    """
    one, two = str(first), str(second)
    width = max(len(one), len(two))
    return sum(abs(int(a) - int(b)) for a, b in zip(one.zfill(width), two.zfill(width), strict=True))


def _compare_whether_not_none(exact: Any, output: Any, expected: Any, args: Any, atol: float) -> Any:
    """Returns whether an output is right; `expected` is only whether the reference solution's output is not None.

    A bool is compared with `expected` itself; for any other output, `output is not None` is compared with it.
    """
    return output == expected if isinstance(output, bool) else expected == (output is not None)


ORACLES: dict[str, Any] = {
    "polynomial_root": None,
    "anything": lambda exact, output, expected, args, atol: bool(exact) or True,  # an array has no truth value
    "zero_too": lambda exact, output, expected, args, atol: exact or output == 0,
    "pyramid_surface": lambda exact, output, expected, args, atol: (
        exact or abs(output - pyramid_surface(*args)) <= atol
    ),
    "padded_digits": lambda exact, output, expected, args, atol: exact or output == padded_digit_distance(*args),
    "as_sets": lambda exact, output, expected, args, atol: set(output) == set(expected),
    "not_none": _compare_whether_not_none,
}
