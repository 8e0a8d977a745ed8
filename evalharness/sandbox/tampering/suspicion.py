"""Decides whether a Python program could reach the checks that run in its own process.

This is a list of harmless code, not of dangerous code: a program is plain if it consists only of plain functions over
plain values and of the library functions below. Every other program is suspicious, and its checks also run in another
process, which takes some milliseconds.
"""

import ast
import builtins
import functools
import math
import re
import string
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from evalharness.util.python_syntax import parse

MODULES = """
bisect: bisect bisect_left bisect_right insort insort_left insort_right
collections: Counter OrderedDict defaultdict deque
copy: copy deepcopy
datetime: date datetime timedelta
decimal: Decimal ROUND_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP
fractions: Fraction
functools: cache cmp_to_key lru_cache partial reduce
hashlib: md5 sha1 sha256 sha512
heapq: heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest
itertools: accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse
itertools: from_iterable groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest
random: choice choices randint random randrange sample shuffle uniform
re: DOTALL I IGNORECASE M MULTILINE S VERBOSE X compile escape findall finditer fullmatch match search split sub
statistics: mean median mode pstdev pvariance stdev variance
string: ascii_letters ascii_lowercase ascii_uppercase digits hexdigits punctuation whitespace
sys: maxsize
typing: Any Callable Deque Dict FrozenSet Generator Iterable Iterator List Mapping NoReturn Optional Sequence Set
typing: Tuple Union
"""
"""By module, the names that a plain program may use, besides all of `math`. Not `seed`: checks also draw from `random`,
and a program that seeds it knows what they draw."""
BUILTINS = """
abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter float format frozenset hash
hex int isinstance iter len list map max min next oct ord pow print range repr reversed round set slice sorted str sum
tuple zip
"""
"""The builtins that it may use, besides the exceptions."""
VALUES = (
    *(str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, range),
    *(Counter, OrderedDict, defaultdict, deque, date, datetime, timedelta, Decimal, Fraction, re.Pattern, re.Match),
)


def _functions() -> dict[str, frozenset[str]]:
    by_module: dict[str, frozenset[str]] = {"math": frozenset(name for name in dir(math) if not name.startswith("_"))}
    for line in MODULES.strip().splitlines():
        module, _, names = line.partition(":")
        by_module[module] = by_module.get(module, frozenset()) | frozenset(names.split())
    return by_module


FUNCTIONS = _functions()
PLAIN_BUILTINS = frozenset(BUILTINS.split()) | {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
}
ATTRIBUTES = (
    frozenset(name for kind in VALUES for name in dir(kind) if not name.startswith("_"))
    | {"hexdigest", "digest"}
    | frozenset().union(*FUNCTIONS.values())
) - {"format", "format_map"}
SYNTAX = (
    *(ast.Module, ast.FunctionDef, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While, ast.If),
    *(ast.Raise, ast.Try, ast.Assert, ast.Import, ast.ImportFrom, ast.Nonlocal, ast.Expr, ast.Pass, ast.Break),
    *(ast.Continue, ast.Delete, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.List),
    *(ast.Tuple, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Yield, ast.YieldFrom, ast.Compare),
    *(ast.Call, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name),
    *(ast.Slice, ast.comprehension, ast.ExceptHandler, ast.arguments, ast.arg, ast.keyword, ast.alias),
    *(ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop),
)
"""The syntax of plain programs: no classes, `global`, `with`, `match`, assignment expressions or coroutines."""


def is_suspicious(source: str, tests: str = "", entry_point: str = "") -> bool:
    """Returns False only for a plain program, which cannot reach its checks, whose text is `tests`.

    The program may define a name that the checks use only if it is `entry_point`, or, without one, if they call it.
    """
    try:
        tree, used = parse(source), _used(tests, entry_point)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    everywhere = {name for node in ast.walk(tree) for name in bound_by(node)}
    replaced = set(bound_globally(tree)) & (used | set(dir(builtins)))
    return bool(replaced) or not _is_plain(tree, everywhere)


@functools.lru_cache(4096)
def _used(tests: str, entry_point: str) -> frozenset[str]:
    """Returns the names that the checks define or use, except those that the sample may define."""
    checks = parse(tests)
    used = {node.id for node in ast.walk(checks) if isinstance(node, ast.Name)} - {entry_point}
    used |= {node.name for node in ast.walk(checks) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if not entry_point:
        calls = (node.func for node in ast.walk(checks) if isinstance(node, ast.Call))
        used -= {function.id for function in calls if isinstance(function, ast.Name)}
    return frozenset(used)


def bound_globally(tree: ast.Module) -> Iterator[str]:
    """Yields the names that a program without assignment expressions binds globally, except by `global`."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        yield from bound_by(node)
        if not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            pending.extend(ast.iter_child_nodes(node))


def bound_by(node: ast.AST) -> Iterator[str]:
    """Yields the names that this node itself binds."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name


def _is_plain(tree: ast.Module, bound: set[str]) -> bool:
    if bound & (set(dir(builtins)) - PLAIN_BUILTINS):
        return False  # a name that is bound in one scope is the builtin in another
    known = PLAIN_BUILTINS | bound
    harmless = {id(node) for statement in ast.walk(tree) for node in _harmless_in_context(statement)}
    return all(id(node) in harmless or _is_plain_node(node, known) for node in ast.walk(tree))


def _harmless_in_context(node: ast.AST) -> Iterator[ast.AST]:
    """Yields functions that are harmless only here: `type` directly in a comparison, and `format` of a literal."""
    match node:
        case ast.Compare(left=left, comparators=others):
            for operand in (left, *others):
                match operand:
                    case ast.Call(func=ast.Name(id="type") as function, args=[_], keywords=[]):
                        yield function
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format") as function):
            if _has_plain_fields(text):
                yield function


def _has_plain_fields(text: str) -> bool:
    """Returns whether a format string reads no attributes and no items of its arguments."""
    try:
        fields = [(name or "", spec or "") for _, name, spec, _ in string.Formatter().parse(text)]
    except ValueError:
        return False
    return all("." not in name and "[" not in name and "{" not in spec for name, spec in fields)


def _is_plain_node(node: ast.AST, known: frozenset[str] | set[str]) -> bool:
    if not isinstance(node, SYNTAX) or any(name.startswith("__") for name in bound_by(node)):
        return False
    match node:
        case ast.Name(id=name):
            return name in known
        case ast.Attribute(attr=attribute, ctx=context):
            return isinstance(context, ast.Load) and attribute in ATTRIBUTES
        case ast.Import(names=names):
            return all(alias.name in FUNCTIONS for alias in names)
        case ast.ImportFrom(module=module, names=names):
            allowed = FUNCTIONS.get(module or "", frozenset())
            return all(alias.name in allowed or (module, alias.name) == ("math", "*") for alias in names)
    return True
