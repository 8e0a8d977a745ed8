"""Test programs with the verdict of EvalPlus 0.2.1, for rules that differ from today's or are easily broken."""

from helpers.evalplus_cases import NAN, Case, literal, sequence

EARLY_CASES = [
    # With an atol other than 0, np.testing.assert_allclose decides unequal outputs. It ignores their types.
    literal("float near an int of another type", "10**12 + 1", "1e12", True),
    literal("tuple of floats for a list", "(0.1 + 0.2,)", "[0.3]", True),
    literal("np.float64 for float", "np.float64(0.1) + 0.2", "0.3", True),
    literal("array for a list of floats", "np.array([0.1 + 0.2, 1.0])", "[0.3, 1.0]", False),  # `not array` raises
    literal("one float for a list of equal ones", "0.1 + 0.2", "[0.3, 0.3]", True),  # it broadcasts
    literal("a float too many", "[0.3, 1.0, 1.0]", "[0.3, 1.0]", False),
    literal("text of a float", "'0.5'", "0.25", False),
    literal("none for a float", "None", "0.5", False),
    literal("nan", NAN, NAN, True),  # equal_nan is its default
    literal("nan in a list", f"[{NAN}, 1.0]", f"[{NAN}, 1.0]", True),
    literal("nan beside an int", f"[{NAN}, 1]", f"[{NAN}, 1]", False),  # not all floats, so atol stays 0
    literal("infinity of the other sign", "-float('inf')", "float('inf')", False),
    literal("float beyond 1e-6", "1.00001", "1.0", False),
    literal("near int", "10**9 + 1", "10**9", False),  # atol is 0
    literal("tuple for list", "(1, 2)", "[1, 2]", False),  # atol is 0
    literal("tuple for list, with atol", "(1, 2)", "[1, 2]", True, atol=1e-6),
    # is_floats([]) was true, so that an empty list made later comparisons tolerant.
    literal("empty tuple for empty list", "()", "[]", True),
    literal("none for an empty list", "None", "[]", False),
    sequence("an empty list makes later ints tolerant", "[[], 10**9 + 1]", "[[], 10**9]", True),
    sequence("an empty tuple too", "[(), (1, 2)]", "[(), [1, 2]]", True),
    sequence("an empty set does not", "[set(), (1, 2)]", "[set(), [1, 2]]", False),
    sequence("a nested empty list does not", "[[[]], (1, 2)]", "[[[]], [1, 2]]", False),
    sequence("an empty list does not help what came before", "[(1, 2), []]", "[[1, 2], []]", False),
    sequence("floats of a list that is equal", "[[0.5], (1, 2)]", "[[0.5], [1, 2]]", True),
    # No comparison as sets, and no second formula.
    literal("set in another order", "[2, 1]", "[1, 2]", False, entry_point="Diff"),
    literal("same set in the same order", "[1, 2]", "[1, 2]", True, entry_point="Diff"),
    Case("digits padded", "return 9", "return 0", False, ((19, 1),), "digit_distance_nums"),
    Case("surface by the other height", "return 35", "return 33", False, ((3, 4),), "surface_Area"),
    literal("anything", "'no'", "True", True, entry_point="are_equivalent"),
    literal("zero too", "0", "7", True, entry_point="sum_div"),
    literal("match for a match", "re.match('a', 'a')", "re.match('b', 'b')", True, entry_point="check_str"),
    # find_zero: the polynomial's value, not its distance from 0, and then the comparison as well.
    Case("root", "return 2.0", "return 2.0", True, (([-4, 2],),), "find_zero", 1e-4),
    Case("near root", "return 2.00001", "return 2.0", True, (([-4, 2],),), "find_zero", 1e-4),
    Case("another root", "return -1.0", "return 1.0", False, (([-1, 0, 1],),), "find_zero", 1e-4),
    Case("value above 0", "return 2.1", "return 2.0", False, (([-4, 2],),), "find_zero", 1e-4),
    Case("value far below 0", "return -9.0", "return 2.0", False, (([-4, 2],),), "find_zero", 1e-4),
    Case("value below 0, as expected", "return 1.0", "return 1.0", True, (([-4, 2],),), "find_zero", 1e-4),
]
