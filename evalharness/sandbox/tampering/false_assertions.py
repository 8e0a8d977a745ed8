"""Makes one assertion of a Python test false with the same methods but other values.

Every argument is evaluated at most once, as in the original. Only the assertion itself raises: for a sample that has
disabled the assertion, no other exception may make the test fail.
"""

import ast
import math
import random
import re
from collections.abc import Callable, Iterator

from evalharness.sandbox.tampering.canaries import other_value
from evalharness.util.python_syntax import expression

DRAW = random.SystemRandom()
CATCHES = re.compile("[rR]aises|suppress")
"""Context managers that expect an exception."""
EQUALITY = re.compile(
    "assert((List|Dict|Tuple|Set|Sequence|Count|MultiLine)?Equal|_(array_|string_)?equal|_(frame|series|index)_equal)"
)
CLOSE = re.compile("assert(AlmostEqual|_(array_)?almost_equal(_nulp)?|_allclose|_approx_equal)")
CALLED = re.compile("assert_(called|called_once|any_call|awaited|awaited_once)(_with)?")
FALSE: dict[str, tuple[int, int, str]] = {
    # name: (index of the first argument to replace, index after the last, their replacement); `{0}` is the first
    "assertTrue": (0, 1, "not ({0})"),
    "assertFalse": (0, 1, "not ({0})"),
    "assertNotEqual": (0, 2, "*[[{0}]] * 2"),
    "assertIn": (0, 1, "[{0}, object()][1]"),  # an array contains a pair if it contains one of the two
    "assertNotIn": (0, 2, "*(lambda item: (item, [item]))({0})"),
    "assertIs": (1, 2, "({0}, 7)"),
    "assertIsNot": (0, 2, "*[{0}] * 2"),
    "assertIsNone": (0, 1, "[{0}]"),
    "assertIsNotNone": (0, 1, "[{0}, None][1]"),
    "assertIsInstance": (0, 1, "[{0}, ...][1]"),
    "assertGreater": (0, 2, "*[{0}] * 2"),
    "assertLess": (0, 2, "*[{0}] * 2"),
    "assertGreaterEqual": (0, 1, "[{0}, float('-inf')][1]"),
    "assertLessEqual": (0, 1, "[{0}, float('inf')][1]"),
    "assertRegex": (1, 2, "'(?!)'"),
    "assertNotRegex": (1, 2, "''"),
    "assertRaises": (0, 1, "BufferError"),
    "assertRaisesRegex": (1, 2, "'(?!)'"),
    "raises": (0, 1, "BufferError"),
}


def ways_to_fail(statement: ast.stmt) -> Iterator[Callable[[], None]]:
    """Yields functions that make the statement false in place; none for a statement without a known assertion."""
    match statement:
        case ast.Assert(test=test):
            equal = _equation(test)
            yield equal or (lambda: setattr(statement, "test", ast.UnaryOp(ast.Not(), test)))
        case ast.Expr(value=ast.Call() as call):
            yield from _of_call(call)
        case ast.With(items=items):
            for item in items:
                if isinstance(item.context_expr, ast.Call) and CATCHES.search(ast.unparse(item.context_expr.func)):
                    yield from _of_call(item.context_expr)


def _of_call(call: ast.Call) -> Iterator[Callable[[], None]]:
    name, args = call.func.attr if isinstance(call.func, ast.Attribute) else "", call.args
    if any(isinstance(arg, ast.Starred) for arg in args):
        return
    if len(args) > 1 and (EQUALITY.fullmatch(name) or CLOSE.fullmatch(name)):
        index = 0 if _is_literal(args[0]) and not _is_literal(args[1]) else 1
        if CLOSE.fullmatch(name):
            tolerance = len(args) > 2 or any(keyword.arg not in ("msg", "err_msg") for keyword in call.keywords)
            text = _beside(args[index]) if tolerance else _far_from(args[index])
        else:
            text = _other_than(args[index])
        yield lambda: _replace_arguments(call, index, index + 1, text)
    elif name == "assertTrue" and args and (equal := _equation(args[0])):
        yield equal
    elif name in FALSE and len(args) >= FALSE[name][1]:
        start, end, form = FALSE[name]
        yield lambda: _replace_arguments(call, start, end, form.format(ast.unparse(args[start])))
    elif CALLED.fullmatch(name) and (args or call.keywords):
        yield lambda: args.append(ast.Constant(7))


def _equation(test: ast.expr) -> Callable[[], None] | None:
    """Returns a function that makes `a == b` false.

    It does not use `!=`, which a value that equals everything satisfies, too.
    """
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return None
    text = _other_than(test.comparators[0])
    return lambda: test.comparators.__setitem__(0, expression(text))


def _other_than(node: ast.expr) -> str:
    return (other_value(ast.unparse(node)) if _is_literal(node) else None) or _beside(node)


def _beside(node: ast.expr) -> str:
    return f"({ast.unparse(node)}, 7)"


def _far_from(node: ast.expr) -> str:
    """Returns a number that differs from this one by more than any default tolerance."""
    value = ast.literal_eval(node) if _is_literal(node) else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return _beside(node)
    return repr(2 * value + math.copysign(DRAW.randint(1, 9), value))


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _replace_arguments(call: ast.Call, start: int, end: int, text: str) -> None:
    new = expression(f"f({text})")
    call.args[start:end] = new.args if isinstance(new, ast.Call) else []
