"""Checks that are a `unittest` class: which samples pass, fail, and are caught."""

import pytest
from helpers.programs import only

from evalharness.records import Checks, Limits, Outcome, ProcessRules, UnitTestProgram
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

TESTS = """
import unittest
from unittest.mock import patch

class TestCases(unittest.TestCase):
    def setUp(self):
        self.two = 2
    def test_values(self):
        self.assertEqual(task_func(self.two), 4, "a message")
        self.assertTrue(task_func(1) == 1)
        self.assertIn(task_func(3), [9])
        for number in range(3):
            with self.subTest(number):
                self.assertAlmostEqual(task_func(number), number * number, places=3)
    def test_refuses(self):
        with self.assertRaises(TypeError):
            task_func(None)
    @patch("builtins.print")
    def test_prints(self, printed):
        task_func(5)
        self.assertIsInstance(task_func(5), int)
"""
SQUARE = "def task_func(x):\n    return x * x\n"
EMPTY = "\ndef task_func(x):\n    return x + None if x is None else 0\n"
ENDS = {
    "right": (SQUARE, "passed"),
    "wrong": ("def task_func(x):\n    return x\n", "failed"),
    "does not parse": ("def task_func(x) return x", "error"),
    "lacks the function": ("x = 1", "failed"),
    "odd but honest": (
        f"import unittest, sys\n{SQUARE}if __name__ == '__main__':\n    sys.exit(unittest.main())",
        "passed",
    ),
    "leaves early": ("import os\ndef task_func(x):\n    os._exit(0)\n", "tampered"),
    "equals everything": (
        "class Y(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "    def __sub__(self, other): return 0\n    __rsub__ = __sub__\n"
        "def task_func(x):\n    return Y(x + 0)\n",
        "tampered",
    ),
    "empties assertions": (
        "import unittest\nfor name in dir(unittest.TestCase):\n"
        "    if name.startswith('assert') and 'Raises' not in name:\n"
        f"        setattr(unittest.TestCase, name, lambda *args, **more: None){EMPTY}",
        "tampered",
    ),
    "empties the run": (f"import unittest\nunittest.TestCase.run = lambda *args, **more: None{EMPTY}", "tampered"),
    "empties the suite": (f"import unittest\nunittest.TestSuite.run = lambda self, result: result{EMPTY}", "tampered"),
    "empties the loader": (
        f"import unittest\nunittest.TestLoader.loadTestsFromTestCase = lambda *args: unittest.TestSuite(){EMPTY}",
        "tampered",
    ),
    "sees no failures": (
        "import unittest\nunittest.TestResult.addFailure = unittest.TestResult.addError = lambda *args: None\n"
        f"unittest.TestResult.addSubTest = lambda *args: None{EMPTY}",
        "tampered",
    ),
    "never ends": ("def task_func(x):\n    while True: pass\n", "timeout"),
}


def judged(source: str, sandbox: ContainerPool) -> Outcome:
    return only(sandbox.run(UnitTestProgram("python", source, Limits(1.0), ProcessRules(), Checks(TESTS))))


@pytest.mark.parametrize("name", ENDS)
def test_how_it_ends(name: str, sandbox: ContainerPool) -> None:
    source, status = ENDS[name]
    outcome = judged(source, sandbox)
    assert outcome.status == status, outcome


HONEST = """
import random
import unittest
from unittest.mock import patch

import numpy as np

class TestCases(unittest.TestCase):
    def test_twice(self):
        self.assertEqual(task_func(2), 5)
    def test_twice(self):
        self.assertEqual(task_func(2), 4)
    def test_raises(self):
        with self.assertRaises(TypeError):
            task_func(None)
            self.fail("not reached")
    def test_raises_when_called(self):
        self.assertRaises(TypeError, task_func, None)
    @patch("builtins.print")
    def test_prints(self, printed):
        task_func(1)
        printed.assert_called_once_with(1)
    def test_arrays(self):
        np.testing.assert_allclose(task_func(np.array([1.0, 2])), [1, 4])
    def test_random(self):
        self.assertNotEqual(random.random(), random.random())
        self.assertGreater(random.random(), -1)
        self.assertAlmostEqual(random.random(), 0.5, delta=1)
        self.assertAlmostEqual(1e-9, 0)
        self.assertIsNot(task_func(1), None)
        self.assertNotIn(task_func(2), [5])
    def test_kinds(self):
        self.assertIn(task_func(2), [4, 5])
        self.assertIsInstance(task_func(2), int)
        self.assertLessEqual(task_func(1), 1)
        self.assertDictEqual({"a": task_func(2)}, {"a": 4})
        self.assertRegex(str(task_func(1)), "1")
        assert task_func(4) == 16
    @unittest.skip("no")
    def test_skipped(self):
        self.assertEqual(task_func(3), 10)
    def test_skips_itself(self):
        self.skipTest("why")
        self.assertEqual(task_func(3), 10)
    def test_returns(self):
        if task_func(1) == 1:
            return
        self.assertEqual(task_func(3), 10)
    def test_never_loops(self):
        for number in range(0):
            self.assertEqual(task_func(number), 10)
"""


@pytest.mark.parametrize("time", range(4))
def test_a_correct_solution_passes_with_every_canary(time: int, sandbox: ContainerPool) -> None:
    source = "import unittest\n\ndef task_func(x):\n    print(x)\n    return x * x\n"
    program = UnitTestProgram("python", source, Limits(5.0), ProcessRules(), Checks(HONEST))
    outcome = only(sandbox.run(program))
    assert outcome.status == "passed", outcome
