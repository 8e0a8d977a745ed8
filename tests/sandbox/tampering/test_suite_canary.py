"""False suites keep all tests and all lines, and each of their tests fails."""

import ast
import gzip
import json
import unittest
from pathlib import Path

import numpy as np
import pytest

from evalharness.sandbox.tampering.suite_canary import make_false_suites, protect_builtins_in_tests

TESTS = '''import unittest
import numpy as np

class TestCases(unittest.TestCase):
    # a comment
    def test_values(self):
        """A docstring."""
        self.assertEqual(
            task_func(2),  # a comment
            4,
        )
        self.assertTrue(all(x > 0 for x in [task_func(1)]))
    def test_texts(self):
        self.assertEqual(task_func("é"), 9); self.assertIn(task_func(3), [9])
        with self.assertRaises(ValueError):
            task_func(-1)
    def test_helper(self):
        self.check(task_func(3))
    def check(self, value):
        self.assertEqual(value, 9)
'''
OF_A_RUN = ("__", "must_fail", "survived", "BufferError")


def test_all_tests_and_lines_stay() -> None:
    for suite in make_false_suites(TESTS, 5):
        assert suite.failing == 3
        lines, original = suite.tests.splitlines(), TESTS.splitlines()
        assert len(lines) == len(original)
        assert sum(line != other for line, other in zip(lines, original, strict=True)) == 3
        assert [line.split("#")[1:] for line in lines] == [line.split("#")[1:] for line in original]
        names = [node.name for node in ast.walk(ast.parse(suite.tests)) if isinstance(node, ast.FunctionDef)]
        assert names == ["test_values", "test_texts", "test_helper", "check"]


def test_every_assertion_becomes_false_in_turn() -> None:
    lines = [suite.tests.splitlines() for suite in make_false_suites(TESTS, 6)]
    changed = {index for text in lines for index, line in enumerate(text) if line != TESTS.splitlines()[index]}
    assert changed >= {9, 11, 13, 14}


def test_a_false_value_is_another_of_the_suite() -> None:
    texts = {suite.tests.splitlines()[9].strip() for suite in make_false_suites(TESTS, 40)} - {"4,"}
    assert texts == {"9,"}


EQUAL_TO_MUCH = """
import unittest
import numpy as np

class TestCases(unittest.TestCase):
    def test_number(self):
        expected = np.mean([1, 2])
        self.assertEqual(task_func(), expected)
    def test_equation(self):
        expected = 1.5
        assert task_func() == expected
    def test_close(self):
        expected = 1.5
        self.assertAlmostEqual(task_func(), expected)
        np.testing.assert_allclose(task_func(), expected)
    def test_array(self):
        expected = np.array([1.5])
        np.testing.assert_array_equal(np.array([task_func()]), expected)
        np.testing.assert_equal(task_func(), expected[0])
    def test_set(self):
        self.assertEqual({int(task_func()), 2}, {1, 2})
    def test_words(self):
        self.assertTrue({"apple", "banana"} == {"apple", "banana"})
"""
"""Values of NumPy are equal to lists with one element, and sets do not depend on the order of their elements."""


def test_no_false_assertion_holds_by_broadcasting_or_order() -> None:
    names = {"task_func": lambda: np.float64(1.5), "__name__": "suite"}
    for suite in make_false_suites(EQUAL_TO_MUCH, 100):
        exec(suite.tests, names)
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(names["TestCases"]).run(result)  # type: ignore[arg-type]
        assert len(result.failures + result.errors) == suite.failing == 6, suite.tests


def test_builtins_get_their_full_name_in_place() -> None:
    tests = 'class TestCases:\n    def test(self):\n        assert len( "ä" ) == len([0])  # len\n'
    expected = tests.replace("len(", "__import__('builtins').len(")
    assert protect_builtins_in_tests("def len(x): return 0", tests) == expected
    assert protect_builtins_in_tests("def size(x): return 0", tests) == tests


@pytest.mark.data
def test_every_official_suite_can_be_made_false(datasets_dir: Path) -> None:
    with gzip.open(datasets_dir / "bigcodebench" / "BigCodeBench-v0.1.0_hf.jsonl.gz", "rt") as file:
        suites = [json.loads(line)["test"] for line in file]
    for tests in suites[::4]:
        (suite,) = make_false_suites(tests, 1)
        assert suite.tests.count("\n") == tests.count("\n")
        assert suite.failing > 0
        ast.parse(suite.tests)
