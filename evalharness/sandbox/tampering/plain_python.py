"""Recognizes harmless Python programs: their text shows that they can do nothing but compute.

A program is harmless if it consists only of plain syntax over plain values and of names on a list (allowed_names.py).
Every other program is suspicious: it may be honest, but passes only if it also passes checks outside its process.
"""

import ast
import builtins
import functools
import string
from collections.abc import Iterator

from evalharness.sandbox.tampering.allowed_names import (
    DEFAULT_ALLOWED_NAMES,
    SPECIAL_METHODS,
    AllowedNames,
    builtin_and_module_attributes,
)
from evalharness.util.python_syntax import parse_python

ALLOWED_SYNTAX = (
    *(ast.Module, ast.FunctionDef, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While, ast.If),
    *(ast.Raise, ast.Try, ast.Assert, ast.Import, ast.ImportFrom, ast.Nonlocal, ast.Expr, ast.Pass, ast.Break),
    *(ast.Continue, ast.Delete, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.List),
    *(ast.Tuple, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Yield, ast.YieldFrom, ast.Compare),
    *(ast.Call, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name),
    *(ast.Slice, ast.comprehension, ast.ExceptHandler, ast.arguments, ast.arg, ast.keyword, ast.alias),
    *(ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop),
)
"""The syntax nodes of harmless (compute-only) programs: no `with`, `match`, assignment expressions or coroutines."""
ALLOWED_SYNTAX_WITH_CLASSES = (*ALLOWED_SYNTAX, ast.ClassDef, ast.Global)
"""The syntax nodes of harmless (compute-only) programs that may define classes (without bases, decorators or keywords)
and set global names.
"""
MAX_PROGRAM_CHARACTERS = 64 << 10
"""Most characters of a program that is parsed: a syntax tree takes much memory."""
CALLS_BY_NAME = frozenset({"apply", "agg", "aggregate", "applymap"})
"""Methods of tables (pandas) that call a method whose name they receive as a text."""
AGGREGATES = frozenset({"sum", "mean", "median", "count", "min", "max", "std", "var", "size", "nunique"})
"""The method names that `CALLS_BY_NAME` may receive."""


def python_source_can_only_compute(
    source: str, allowed_names: AllowedNames = DEFAULT_ALLOWED_NAMES, tests: str = "", entry_point: str = ""
) -> bool:
    """Returns whether a Python program's text shows that the program can only compute.

    `allowed_names` are the names that it may use. `tests` is the text of the checks that follow the program. If there
    are checks, the program may not define a builtin. Of the names that the checks use, it may define only `entry_point`
    or, without an entry point, only those that the checks call.
    """
    if len(source) > MAX_PROGRAM_CHARACTERS:
        return False
    try:
        tree = parse_python(source)
        reserved = names_reserved_for_checks(tests, entry_point) | BUILTIN_NAMES if tests else frozenset()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    nodes = list(ast.walk(tree))
    bound = {name for node in nodes for name in names_bound_by(node)}
    if not reserved.isdisjoint(globally_bound_names(tree, with_imports=allowed_names is DEFAULT_ALLOWED_NAMES)):
        return False
    return _nodes_can_only_compute(nodes, bound, allowed_names)


BUILTIN_NAMES = frozenset(dir(builtins))


@functools.lru_cache(4096)
def names_reserved_for_checks(tests: str, entry_point: str) -> frozenset[str]:
    """Returns the names that a sample must not define, because its checks (the source text `tests`) use them.

    `entry_point` is the name of the function that the sample must define; empty if the checks do not name it.
    """
    nodes = list(ast.walk(parse_python(tests)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)} - {entry_point}
    used |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    if not entry_point:
        used -= {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return frozenset(used)


def globally_bound_names(tree: ast.Module, with_imports: bool = True) -> Iterator[str]:
    """Yields the global names that a program defines.

    Excludes those defined in functions (by `global`) and in comprehensions (by assignment expressions).

    `with_imports`: whether to include imported names.
    """
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if with_imports or not isinstance(node, ast.alias):
            yield from names_bound_by(node)
        if not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            pending.extend(ast.iter_child_nodes(node))


def names_bound_by(node: ast.AST) -> Iterator[str]:
    """Yields the names that a syntax node itself binds (defines), without those that its child nodes bind."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name


def _nodes_can_only_compute(nodes: list[ast.AST], bound_names: set[str], allowed_names: AllowedNames) -> bool:
    if not bound_names.isdisjoint(BUILTIN_NAMES - allowed_names.builtins):
        return False  # a name that is bound in one scope is the builtin in another
    if allowed_names.reserved:
        imported = {name for node in nodes if isinstance(node, ast.alias) for name in names_bound_by(node)}
        if not (bound_names - imported).isdisjoint(allowed_names.reserved):
            return False
    checker = _SyntaxNodeChecker(nodes, bound_names, allowed_names)
    return checker.never_sets_module_attributes() and all(map(checker.is_allowed_node, nodes))


class _SyntaxNodeChecker:
    """Checks whether each syntax node of a program is allowed in a harmless program, which can only compute.

    An allowed node uses only names that the program defines or that `allowed_names` contains.
    """

    def __init__(self, nodes: list[ast.AST], bound_names: set[str], allowed_names: AllowedNames):
        self.nodes, self.allowed_names = nodes, allowed_names
        self.names = allowed_names.builtins | allowed_names.predefined | bound_names
        self.functions = allowed_names.builtins | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        self.ids_allowed_by_parent = {id(node) for parent in nodes for node in _functions_allowed_within(parent)}
        self.syntax = ALLOWED_SYNTAX_WITH_CLASSES if allowed_names.classes else ALLOWED_SYNTAX
        self.attributes, self.settable = allowed_names.attributes, allowed_names.settable
        self.methods: frozenset[str] = frozenset()
        if allowed_names.classes:
            self._allow_class_attributes()

    def _allow_class_attributes(self) -> None:
        """Allows the attributes and methods that the program's classes define.

        Excludes names that built-in types and modules have as attributes, too: the program could read those
        attributes under these names.
        """
        own = {node.attr for node in self.nodes if isinstance(node, ast.Attribute) and not _reads_attribute(node)}
        for node in self.nodes:
            if isinstance(node, ast.ClassDef):
                own |= {name for statement in node.body for name in _names_bound_in_class_body(statement)}
        own = {name for name in own if not name.startswith("__")} - (builtin_and_module_attributes() - self.attributes)
        self.settable = frozenset(own)
        self.attributes = self.attributes | self.settable
        self.methods = SPECIAL_METHODS

    def never_sets_module_attributes(self) -> bool:
        """Returns whether the program never assigns to attributes of modules, which could change the checks."""
        if not self.settable:
            return True
        modules = {name for node in self.nodes if isinstance(node, ast.Import) for name in _imported_names(node)}
        read = {id(node.value) for node in self.nodes if isinstance(node, ast.Attribute) and _reads_attribute(node)}
        uses = (node for node in self.nodes if isinstance(node, ast.Name) and node.id in modules)
        return all(id(node) in read for node in uses)

    def is_allowed_node(self, node: ast.AST) -> bool:
        """Returns whether a syntax node, without its child nodes, is allowed in a program that can only compute."""
        if id(node) in self.ids_allowed_by_parent:
            return True
        if not isinstance(node, self.syntax):
            return False
        if any(name.startswith("__") and name not in self.methods for name in names_bound_by(node)):
            return False
        match node:
            case ast.Name(id=name):
                return name in self.names
            case ast.Attribute(attr=attribute):
                return attribute in (self.attributes if _reads_attribute(node) else self.settable)
            case ast.Call(func=ast.Attribute(attr=name)) if name in CALLS_BY_NAME:
                return bool(node.args) and self._is_allowed_function(node.args[0])
            case ast.Import(names=names):
                return all(alias.name in self.allowed_names.modules for alias in names)
            case ast.ImportFrom(module=module, names=names):
                allowed = self.allowed_names.modules.get(module or "")
                return allowed is not None and all(self._may_import(str(module), alias.name) for alias in names)
            case ast.ClassDef(bases=bases, keywords=keywords, decorator_list=decorators):
                return not keywords and not decorators and all(_is_base_class_object(base) for base in bases)
            case ast.Global(names=names):
                return not BUILTIN_NAMES.intersection(names)
        return True

    def _may_import(self, module: str, name: str) -> bool:
        if name == "*":
            return module == "math" or (self.allowed_names.import_all and module in self.allowed_names.modules)
        return name in self.allowed_names.modules[module]

    def _is_allowed_function(self, node: ast.expr) -> bool:
        match node:
            case ast.Lambda():
                return True
            case ast.Name(id=name):
                return name in self.functions
            case ast.Attribute():
                return True  # of the allowed names, as any attribute
            case ast.Constant(value=str(name)):
                return name in AGGREGATES
            case ast.List(elts=items) | ast.Dict(values=items):
                return all(map(self._is_allowed_function, items))
        return False


def _reads_attribute(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def _is_base_class_object(base: ast.expr) -> bool:
    """Returns whether a base class in a class definition is written as `object`."""
    return isinstance(base, ast.Name) and base.id == "object"


def _imported_names(node: ast.Import) -> Iterator[str]:
    for alias in node.names:
        yield alias.asname or alias.name.partition(".")[0]


def _names_bound_in_class_body(statement: ast.stmt) -> Iterator[str]:
    """Yields the names that a statement of a class body binds (defines) in the class."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    else:
        for node in ast.walk(statement):
            yield from names_bound_by(node)


def _functions_allowed_within(expression: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of called functions that are allowed within `expression`, but not in general.

    These are `type` if the result is compared, and the method `format` of a string literal.
    """
    match expression:
        case ast.Compare(left=left, comparators=others):
            for operand in (left, *others):
                match operand:
                    case ast.Call(func=ast.Name(id="type") as function, args=[_], keywords=[]):
                        yield function
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format") as function):
            if _is_simple_format_string(text):
                yield function


def _is_simple_format_string(text: str) -> bool:
    """Returns whether a format string of `str.format` reads no attributes or items of its arguments."""
    try:
        fields = [(name or "", spec or "") for _, name, spec, _ in string.Formatter().parse(text)]
    except ValueError:
        return False
    return all("." not in name and "[" not in name and "{" not in spec for name, spec in fields)
