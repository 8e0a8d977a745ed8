"""Whether an output is right, by the rules of EvalPlus.

Source: evalplus/evalplus, evalplus/eval/__init__.py `unsafe_execute` and evalplus/eval/_special_oracle.py, in two
editions: `0.3` as of commit 26d6d00, and `0.2` as of tag v0.2.1, which graded the data of its time.
Habits are kept where verdicts depend on them: a float expected once makes the comparison tolerant for all later
outputs of the part (`atol` sticks), and oracles that look at the input see what the program did to it.
"""

import math
from typing import Any

import numpy as np

FLOAT_ATOL = 1e-6
RTOL = 1e-07
EDITIONS = ("0.2", "0.3")


def is_floats(value: Any) -> bool:
    """Whether the expected value is a float, or a non-empty list or tuple of floats."""
    if isinstance(value, float):
        return True
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, np.ndarray) and value.dtype in (np.float64, np.float32)


def is_empty(value: Any) -> bool:
    """Whether the expected value is an empty list or tuple, which edition 0.2 takes for floats."""
    return isinstance(value, list | tuple) and not value


class Comparison:
    """Compares the outputs of one part in order. `oracle` names the rule of the entry point, if it has one."""

    def __init__(self, edition: str, oracle: str, atol: float):
        if edition not in EDITIONS or (oracle and oracle not in ORACLES):
            raise ValueError(f"unknown edition {edition!r} or oracle {oracle!r}")
        self.early = edition == "0.2"
        self.oracle, self.atol = oracle, atol

    def expect(self, floats: bool, empty: bool) -> None:
        """Notes the expected value's kind; to be called for every output, equal or not, in order."""
        if self.oracle == "polynomial_root" and not self.early:
            return
        if self.atol == 0 and (floats or (self.early and empty)):
            self.atol = FLOAT_ATOL

    def accepts(self, output: Any, expected: Any, args: Any) -> bool:
        """Whether the output is right. May raise what comparing raises, which counts as wrong."""
        exact = output == expected
        if self.oracle == "polynomial_root":
            value = polynomial(args[0], output)
            if not self.early:
                return bool(abs(value) <= self.atol)
            if not value <= self.atol:
                return False
        elif self.oracle:
            exact = ORACLES[self.oracle](exact, output, expected, args, self.atol)
        self.expect(is_floats(expected), is_empty(expected))
        if exact or self.atol == 0:
            return bool(exact)
        return self._close(output, expected)

    def _close(self, output: Any, expected: Any) -> bool:
        if np.size(output) == 0 and np.size(expected) != 0:
            return False  # nothing is close to something; the official comparison lets it pass
        if self.early:
            np.testing.assert_allclose(output, expected, rtol=RTOL, atol=self.atol)
            return True
        if type(output) is not type(expected):
            return False
        if isinstance(expected, list | tuple) and len(output) != len(expected):
            return False
        return bool(np.allclose(output, expected, rtol=RTOL, atol=self.atol))


def polynomial(coefficients: Any, x: Any) -> float:
    """The polynomial with these coefficients, constant first, at x. HumanEval/32."""
    total: float = sum([coefficient * math.pow(x, power) for power, coefficient in enumerate(coefficients)])
    return total


def pyramid_surface(base: float, height: float) -> int:
    """Surface of a square pyramid whose height is that of its apex. Mbpp/581."""
    slant = math.sqrt((base / 2) ** 2 + height**2)
    return round(base**2 + 4 * (base * slant) / 2)


def padded_digit_distance(first: int, second: int) -> int:
    """Sum of the differences of digits, the shorter number padded with zeros. Mbpp/558."""
    one, two = str(first), str(second)
    width = max(len(one), len(two))
    return sum(abs(int(a) - int(b)) for a, b in zip(one.zfill(width), two.zfill(width), strict=True))


def _not_none(exact: Any, output: Any, expected: Any, args: Any, atol: float) -> Any:
    return output == expected if isinstance(output, bool) else expected == (output is not None)


ORACLES: dict[str, Any] = {
    "polynomial_root": None,
    "anything": lambda exact, output, expected, args, atol: bool(exact) or True,  # an array has no truth
    "zero_too": lambda exact, output, expected, args, atol: exact or output == 0,
    "pyramid_surface": lambda exact, output, expected, args, atol: (
        exact or abs(output - pyramid_surface(*args)) <= atol
    ),
    "padded_digits": lambda exact, output, expected, args, atol: exact or output == padded_digit_distance(*args),
    "as_sets": lambda exact, output, expected, args, atol: set(output) == set(expected),
    "not_none": _not_none,
}
SEES_INPUT = frozenset({"polynomial_root", "pyramid_surface", "padded_digits"})
WHOLE = SEES_INPUT | {"as_sets"}
"""Oracles that need the output itself, whatever its size: equal bytes do not decide."""
