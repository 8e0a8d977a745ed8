"""Large outputs, which are compared by digest and in pieces, have the same verdicts as small ones."""

import pytest
from helpers.programs import calls_program, only

from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

MANY = "list(range(10**5))"
OUTPUTS = [
    ("list(range(10**6))", "list(range(10**6))", "passed"),
    ("[*range(10**6 - 1), -1]", "list(range(10**6))", "failed"),
    ("[-1, *range(1, 10**5)]", MANY, "failed"),
    ("list(range(10**5 - 1))", MANY, "failed"),
    ("list(range(10**5 + 1))", MANY, "failed"),
    ("tuple(range(10**5))", MANY, "failed"),
    ("[float(i) for i in range(10**5)]", MANY, "passed"),
    ("[True, *range(2, 10**4)]", "[1, *range(2, 10**4)]", "passed"),
    ("[i + 1e-9 for i in range(10**4)]", "[float(i) for i in range(10**4)]", "passed"),
    ("[i + 1e-3 for i in range(10**4)]", "[float(i) for i in range(10**4)]", "failed"),
    ("(1,) * 5000", "(1,) * 5000", "passed"),
    ("[1] * 5000", "(1,) * 5000", "failed"),
    ("'x' * 10**5", "'x' * 10**5", "passed"),
    ("'x' * 10**5 + 'y'", "'x' * 10**5 + 'z'", "failed"),
    ("'x'", "'x' * 10**5", "failed"),
    ("'x' * 10**5", "'x'", "failed"),
    ("3", MANY, "failed"),
    (MANY, "3", "failed"),
    ("None", MANY, "failed"),
    ("range(10**5)", MANY, "failed"),
    ("{i: i for i in range(10**4, 0, -1)}", "{i: i for i in range(1, 10**4 + 1)}", "passed"),
    ("{i: i for i in range(10**4)}", "{i: i for i in range(1, 10**4 + 1)}", "failed"),
    ("set(map(str, range(10**4)))", "set(map(str, range(10**4 - 1, -1, -1)))", "passed"),
    ("[set(map(str, range(99)))] * 4999", "[set(map(str, range(98, -1, -1)))] * 4999", "passed"),
    ("[[0.5] * 5000]", "[[0.5] * 5000]", "passed"),
    ("7 ** 10**5", "7 ** 10**5", "passed"),
    ("7 ** 10**5 + 1", "7 ** 10**5", "failed"),
]


@pytest.mark.parametrize(("output", "expected", "status"), OUTPUTS)
def test_large_outputs(output: str, expected: str, status: str, sandbox: ContainerPool) -> None:
    program, reference = f"def f(x): return {output}", f"def f(x): return {expected}"
    outcome = only(sandbox.run(calls_program(program, reference)))
    assert outcome.status == status, outcome


def test_a_large_output_among_small_ones(sandbox: ContainerPool) -> None:
    reference = "def f(x): return list(range(x))"
    inputs = [(5,), (10**5,), (3,), (10**4,)]
    assert only(sandbox.run(calls_program(reference, reference, inputs))).status == "passed"
    wrong = calls_program("def f(x): return list(range(x - (x == 10**4)))", reference, inputs)
    assert only(sandbox.run(wrong)).detail.startswith("input 3: ")


def test_a_large_float_makes_later_outputs_tolerant(sandbox: ContainerPool) -> None:
    """Whether it was equal by its digest or had to be compared."""
    reference = "def f(x): return [[0.5] * 10**4, 10**9][x]"
    for first in ("0.5", "0.5 + 1e-9"):
        program = f"def f(x): return [[{first}] * 10**4, 10**9 + 1][x]"
        assert only(sandbox.run(calls_program(program, reference, [(0,), (1,)]))).status == "passed"


def test_a_huge_output_is_not_tampered(sandbox: ContainerPool) -> None:
    """The rule that compares as sets needs the output itself, and so a message longer than any other."""
    job = calls_program("def Diff(x): return 'y' * (70 << 20)", "def Diff(x): return ['x']", entry_point="Diff")
    assert only(sandbox.run(job)).status in ("failed", "error", "memory")
