"""Test programs with the verdict of EvalPlus's grader at the commit that the task card names."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A program and its verdict. `output` and `expected` are function bodies of `x` (or `x`, `y`) with `return`."""

    name: str
    output: str
    expected: str
    passes: bool
    inputs: tuple[tuple[Any, ...], ...] = ((1,),)
    entry_point: str = "f"
    atol: float = 0

    @property
    def dataset(self) -> str:
        return "humaneval" if self.entry_point in ("f", "find_zero") else "mbpp"

    def program(self, body: str) -> str:
        names = ", ".join("xyz"[: len(self.inputs[0])])
        return "import collections, decimal, enum, fractions, re\nimport numpy as np\n" + (
            f"def {self.entry_point}({names}):\n    " + body.replace("\n", "\n    ") + "\n"
        )


def sequence(name: str, output: str, expected: str, passes: bool, **options: Any) -> Case:
    """Returns a case with several inputs. `output` and `expected` are list literals with one item per input."""
    inputs = tuple((index,) for index in range(len(eval(expected))))
    return Case(name, f"return {output}[x]", f"return {expected}[x]", passes, inputs, **options)


def literal(name: str, output: str, expected: str, passes: bool, **options: Any) -> Case:
    """Returns a case with one input. `output` and `expected` are expressions."""
    return Case(name, f"return {output}", f"return {expected}", passes, **options)


NAN = "float('nan')"

PLAIN = [
    literal("same int", "3", "3", True),
    literal("other int", "4", "3", False),
    literal("bool for int", "True", "1", True),
    literal("int for bool", "0", "False", True),
    literal("float for int", "3.0", "3", True),
    literal("nearly int", "3.0000001", "3", False),
    literal("int for float", "3", "3.0", True),
    literal("near float", "0.1 + 0.2", "0.3", True),
    literal("float within 1e-6", "1.0000005", "1.0", True),
    literal("float beyond 1e-6", "1.00001", "1.0", False),
    literal("large float within rtol", "1e12 + 1e4", "1e12", True),
    literal("large float beyond rtol", "1e12 + 1e6", "1e12", False),
    literal("int near float is of another type", "10**12 + 1", "1e12", False),
    literal("string", "'a'", "'a'", True),
    literal("string for number", "'3'", "3", False),
    literal("none", "None", "None", True),
    literal("none for zero", "None", "0", False),
    literal("tuple for list", "(1, 2)", "[1, 2]", False),
    literal("list for tuple", "[1, 2]", "(1, 2)", False),
    literal("nested tuple for list", "[(1, 2)]", "[[1, 2]]", False),
    literal("empty list", "[]", "[]", True),
    literal("empty tuple for empty list", "()", "[]", False),
    literal("near floats in a list", "[0.1 + 0.2, 1.0]", "[0.3, 1.0]", True),
    literal("one far float in a list", "[0.3, 1.1]", "[0.3, 1.0]", False),
    literal("near floats in a tuple for a list", "(0.1 + 0.2,)", "[0.3]", False),
    literal("a float too many", "[0.30000000001, 1.0]", "[0.3]", False),
    literal("near floats beside an int", "[0.1 + 0.2, 1]", "[0.3, 1]", False),
    literal("near floats nested", "[[0.1 + 0.2]]", "[[0.3]]", False),
    literal("near float in a dict", "{1: 0.1 + 0.2}", "{1: 0.3}", False),
    literal("nan", NAN, NAN, False),
    literal("nan in a list", f"[{NAN}]", f"[{NAN}]", False),
    literal("nan beside ints in a list", f"[0, {NAN}]", f"[0, {NAN}]", False),
    literal("nan at the end of a large list", f"[0] * 9999 + [{NAN}]", f"[0] * 9999 + [{NAN}]", False),
    literal("infinity", "float('inf')", "float('inf')", True),
    literal("infinity for a large float", "float('inf')", "1e308", False),
    literal("negative zero", "-0.0", "0.0", True),
    literal("complex", "1j * 1j", "-1", True),
    literal("dict in another order", "{1: 2, 3: 4}", "{3: 4, 1: 2}", True),
    literal("set", "{3, 1}", "{1, 3}", True),
    literal("frozenset for set", "frozenset({1})", "{1}", True),
    literal("large int", "10**5000", "10**5000", True),
    literal("other large int", "10**5000 + 1", "10**5000", False),
    literal("lone surrogate", "chr(0xdc80)", "chr(0xdc80)", True),
    literal("two expected kinds of text", "b'a'", "'a'", False),
    literal("atol for an int within", "1001", "1000", True, atol=1.5),
    literal("atol for an int beyond", "1002", "1000", False, atol=1.5),
    literal("atol for a bool is of another type", "True", "2", False, atol=1.5),
    literal("atol for a string", "'a'", "'b'", False, atol=1.5),
]

NUMPY_AND_KIN = [
    literal("np.int64 for int", "np.int64(3)", "3", True),
    literal("np.float64 for float", "np.float64(0.5)", "0.5", True),
    literal("near np.float64 is of another type", "np.float64(0.1) + 0.2", "0.3", False),
    literal("np.bool_ for bool", "np.bool_(True)", "True", True),
    literal("np.str_ for str", "np.str_('a')", "'a'", True),
    literal("empty np.str_ for empty str", "np.str_('')", "''", True),
    literal("array of one for int", "np.array([3])", "3", True),
    literal("array of one for a list", "np.array([3])", "[3]", True),
    literal("array of two for a list", "np.array([3, 4])", "[3, 4]", False),
    literal("list of np.int64", "list(np.array([3, 4]))", "[3, 4]", True),
    literal("expected np.float64 is a float", "np.float64(0.1) + 0.2", "np.float64(0.3)", True),
    literal("float for expected np.float64", "0.1 + 0.2", "np.float64(0.3)", False),
    literal("arrays of two", "np.array([1, 2])", "np.array([1, 2])", False),
    literal("counter", "collections.Counter('aab')", "{'a': 2, 'b': 1}", True),
    literal("defaultdict", "collections.defaultdict(int, {'a': 2})", "{'a': 2}", True),
    literal("namedtuple", "collections.namedtuple('P', 'a b')(1, 2)", "(1, 2)", True),
    literal("int enum", "enum.IntEnum('E', 'one two').two", "2", True),
    literal("decimal", "decimal.Decimal('3')", "3", True),
    literal("fraction", "fractions.Fraction(1, 2)", "0.5", True),
    literal("range for list", "range(3)", "[0, 1, 2]", False),
    literal("range for range", "range(0, 3, 2)", "range(0, 4, 2)", True),
    literal("keys for a set", "{1: 2}.keys()", "{1}", True),
    literal("deque for list", "collections.deque([1])", "[1]", False),
    literal("deque for another deque", "collections.deque([1])", "collections.deque([2])", False),
    literal("generator for list", "(i for i in [1])", "[1]", False),
    literal("generator for another generator", "(i for i in [1])", "(i for i in [2])", False),
    literal("function", "len", "3", False),
]

IN_SEQUENCE = [
    sequence("all right", "[1, 2, 3]", "[1, 2, 3]", True),
    sequence("the last is wrong", "[1, 2, 4]", "[1, 2, 3]", False),
    sequence("a float makes later ints tolerant", "[0.5, 10**9 + 1]", "[0.5, 10**9]", True),
    sequence("a float does not help earlier ints", "[10**9 + 1, 0.5]", "[10**9, 0.5]", False),
    sequence("floats in a list make later ints tolerant", "[[0.5], 10**9 + 1]", "[[0.5], 10**9]", True),
    sequence("an empty list does not", "[[], 10**9 + 1]", "[[], 10**9]", False),
    sequence("mixed numbers do not", "[[0.5, 1], 10**9 + 1]", "[[0.5, 1], 10**9]", False),
    sequence("tolerance is not for other types", "[0.5, (1, 2)]", "[0.5, [1, 2]]", False),
    sequence("tolerance is not for other lengths", "[0.5, [1, 2]]", "[0.5, [1]]", False),
    sequence("tolerance reaches nested lists", "[0.5, [[10**9 + 1]]]", "[0.5, [[10**9]]]", True),
    sequence("tolerance is not for dicts", "[0.5, {1: 10**9 + 1}]", "[0.5, {1: 10**9}]", False),
]

ORACLES = [
    literal("anything", "'no'", "True", True, entry_point="are_equivalent"),
    literal("zero too", "0", "7", True, entry_point="sum_div"),
    literal("false is zero too", "False", "7", True, entry_point="sum_div"),
    literal("not one too", "1", "7", False, entry_point="sum_div"),
    literal("set in another order", "[2, 1, 1]", "[1, 2]", True, entry_point="Diff"),
    literal("generator for a set", "(i for i in [2, 1])", "[1, 2]", True, entry_point="Diff"),
    literal("keys of a dict for a set", "{2: 0, 1: 0}", "[1, 2]", True, entry_point="Diff"),
    literal("letters of a string for a set", "'ba'", "['a', 'b']", True, entry_point="Diff"),
    literal("range for a set", "range(1, 3)", "[1, 2]", True, entry_point="Diff"),
    literal("deque for a set", "collections.deque([2, 1])", "[1, 2]", True, entry_point="Diff"),
    literal("np.array for a set", "np.array([2, 1])", "[1, 2]", True, entry_point="Diff"),
    literal("another set", "[1, 2, 3]", "[1, 2]", False, entry_point="Diff"),
    literal("no set at all", "3", "[3]", False, entry_point="Diff"),
    literal("lists in a set", "[[1]]", "[(1,)]", False, entry_point="Diff"),
    literal("tuples in a set", "[(1, 2)]", "[(1, 2), (1, 2)]", True, entry_point="Diff"),
    literal("match for none", "re.match('a', 'a')", "None", False, entry_point="check_str"),
    literal("match for a match", "re.match('a', 'a')", "re.match('b', 'b')", True, entry_point="check_str"),
    literal("none for none", "None", "None", True, entry_point="check_str"),
    literal("true for a match", "True", "re.match('b', 'b')", True, entry_point="check_str"),
    literal("false for none", "False", "None", True, entry_point="check_str"),
    literal("text for a match", "''", "re.match('b', 'b')", True, entry_point="check_str"),
    literal("np.bool_ is not none", "np.bool_(False)", "re.match('b', 'b')", True, entry_point="check_str"),
    Case("root", "return 2.0", "return 2.0", True, (([-4, 2],),), "find_zero", 1e-4),
    Case("another root", "return -1.0", "return 1.0", True, (([-1, 0, 1],),), "find_zero", 1e-4),
    Case("no root", "return 1.9", "return 2.0", False, (([-4, 2],),), "find_zero", 1e-4),
    Case("root of too small a value", "return -9.0", "return 2.0", False, (([-4, 2],),), "find_zero", 1e-4),
    Case("a root that is text", "return '2'", "return 2.0", False, (([-4, 2],),), "find_zero", 1e-4),
    Case("surface", "return 33", "return 33", True, ((3, 4),), "surface_Area"),
    Case("surface by the other height", "return 35", "return 33", True, ((3, 4),), "surface_Area"),
    Case("no surface", "return 34", "return 33", False, ((3, 4),), "surface_Area"),
    Case("digits padded", "return 9", "return 0", True, ((19, 1),), "digit_distance_nums"),
    Case("digits neither way", "return 3", "return 0", False, ((19, 1),), "digit_distance_nums"),
]

CASES = [*PLAIN, *NUMPY_AND_KIN, *IN_SEQUENCE, *ORACLES]
