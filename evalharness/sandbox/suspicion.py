"""Whether a Python program could have touched the checks that run in its own process.

What is not known to be harmless is suspicious: then a sample that passed is checked once more, apart from its checks.
"""

import ast
import builtins
import functools
import importlib
from collections.abc import Iterator
from types import ModuleType

HARMLESS_MODULES = frozenset(
    (
        *("__future__", "abc", "array", "bisect", "calendar", "cmath", "collections", "collections.abc", "copy"),
        *("datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "math", "numbers"),
        *("random", "re", "statistics", "string", "textwrap", "time", "typing", "unicodedata"),
    )
)
"""A program that imports these alone, and reads none of the modules behind them, reaches nothing but its own values."""
HARMLESS_OF_SYS = frozenset(("maxsize", "setrecursionlimit", "float_info"))
POWERFUL = frozenset(
    (
        *("eval", "exec", "compile", "open", "globals", "locals", "vars", "getattr", "setattr", "delattr"),
        *("breakpoint", "exit", "quit", "BaseException", "SystemExit", "KeyboardInterrupt", "GeneratorExit"),
        *("Formatter", "get_type_hints", "attrgetter", "methodcaller"),
        *("f_back", "f_globals", "f_locals", "f_builtins", "gi_frame", "cr_frame", "ag_frame", "tb_frame", "modules"),
    )
)
"""Names, of variables or attributes, with which a program reaches beyond its own values."""
BUILTINS = frozenset(dir(builtins))


@functools.cache
def hidden_modules() -> frozenset[str]:
    """Names under which harmless modules hold others, as `random` holds `os`."""
    found: set[str] = set()
    for name in HARMLESS_MODULES:
        module = importlib.import_module(name)
        found.update(key for key, value in vars(module).items() if isinstance(value, ModuleType))
    return frozenset(found) - {"abc"}


def is_suspicious(source: str, tests: str = "", entry_point: str = "") -> bool:
    """True unless the program is plain: no way to its checks, its process, or a comparison of its own making.

    `tests` is the text of the checks. A name that they use is the sample's to define only if it is `entry_point`,
    or, without one, if they call it.
    """
    try:
        tree, used = ast.parse(source), _used(tests, entry_point)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    bound = set(_bound_globally(tree))
    return bool(bound & (used | BUILTINS)) or _is_powerful(tree)


@functools.lru_cache(4096)
def _used(tests: str, entry_point: str) -> frozenset[str]:
    """Names that the checks define or use, but those that are the sample's to define."""
    checks = ast.parse(tests)
    used = {node.id for node in ast.walk(checks) if isinstance(node, ast.Name)} - {entry_point}
    used |= {node.name for node in ast.walk(checks) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if not entry_point:
        calls = (node.func for node in ast.walk(checks) if isinstance(node, ast.Call))
        used -= {function.id for function in calls if isinstance(function, ast.Name)}
    return frozenset(used)


def _bound_globally(tree: ast.Module) -> Iterator[str]:
    """Names that the program binds in its global scope."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        if isinstance(node, ast.alias):
            yield node.asname or node.name
        if not isinstance(node, ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def _is_powerful(tree: ast.Module) -> bool:
    """Whether any part of the program reaches beyond its own values."""
    plain_uses: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="sys") as name, attr=attribute) if attribute in HARMLESS_OF_SYS:
                plain_uses.add(id(name))
            case ast.Call(func=ast.Name(id="type") as name, args=[_], keywords=[]):
                plain_uses.add(id(name))
    return any(_reaches_out(node) for node in ast.walk(tree) if id(node) not in plain_uses)


def _reaches_out(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(
                alias.name not in HARMLESS_MODULES and (alias.name != "sys" or bool(alias.asname)) for alias in names
            )
        case ast.ImportFrom(module=module, names=names):
            return module not in HARMLESS_MODULES or any(_is_odd_attribute(alias.name) for alias in names)
        case ast.Name(id=name):
            return name in POWERFUL or name in ("sys", "type") or name.startswith("__")
        case ast.Attribute(value=value, attr=attribute, ctx=context):
            own = isinstance(value, ast.Name) and value.id == "self"
            if own:
                return attribute.startswith("__")
            return not isinstance(context, ast.Load) or _is_odd_attribute(attribute)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name.startswith("__") and name != "__init__"
        case ast.ClassDef(keywords=keywords, bases=bases):
            return bool(keywords) or any(not isinstance(base, ast.Name) for base in bases)
        case ast.Constant(value=str(text)):
            return "__" in text
    return False


def _is_odd_attribute(name: str) -> bool:
    return name.startswith("_") or name in POWERFUL or name in hidden_modules()
