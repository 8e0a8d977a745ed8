"""Analyses Python code in answers: which names statements define and use, and which only print or test."""

import ast
import builtins
import html
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evalharness.util.python_syntax import parse_python

BUILTINS = frozenset(dir(builtins))
NOT_CODE = re.compile(r"^[ \t]*(?:[!%]\s*\w[^\n]*|`[^\n]*|~~~[^\n]*)$", re.MULTILINE)
"""A line that is no Python: a notebook command (`!pip`, `%time`) or a code fence."""
INVISIBLE_CHARACTERS = re.compile("[\u200b-\u200f\u2028\u2029\u2060]")
HTML_ENTITY = re.compile(r"&(?:lt|gt|quot|amp|#x?\w+);")
REPL_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?: |$)", re.MULTILINE)
DEMONSTRATIONS = frozenset({"print", "pprint", "exit", "quit", "input", "main", "run_tests", "test"})
"""Functions whose call at the end of an answer shows or tests the solution."""
DEMONSTRATING_METHODS = frozenset({("sys", "exit"), ("unittest", "main"), ("doctest", "testmod"), ("os", "_exit")})


@dataclass(frozen=True)
class ParsedCode:
    """Python source text with its syntax tree."""

    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")


def parse_code(text: str) -> ParsedCode | None:
    """Returns a text parsed as Python, repaired by `_repaired_code` if necessary; None if it still does not parse."""
    text = textwrap.dedent(text.expandtabs(8) if _mixes_tabs_and_spaces(text) else text).strip("\n")
    for attempt in (text, _repaired_code(text)):
        try:
            tree = parse_python(attempt)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        return ParsedCode(attempt, tree) if tree.body else None
    return None


def _mixes_tabs_and_spaces(text: str) -> bool:
    return "\t" in text and "\n    " in text


def _repaired_code(text: str) -> str:
    """Returns Python code without notebook commands, `>>>` prompts and invisible characters; decodes HTML entities."""
    text = INVISIBLE_CHARACTERS.sub("", text.replace("\u00a0", " "))
    if HTML_ENTITY.search(text):
        text = html.unescape(text)
    if text.lstrip().startswith(">>>"):
        lines = text.split("\n")
        text = "\n".join(REPL_PROMPT.sub("", line) for line in lines if REPL_PROMPT.match(line))
    return textwrap.dedent(NOT_CODE.sub("", text)).strip("\n")


def names_bound_by(statement: ast.stmt) -> set[str]:
    """Returns the names that a top-level statement of a Python module defines, such as a function's or variable's."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    names = set()
    for node in _nodes_outside_functions(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def _nodes_outside_functions(statement: ast.AST) -> Iterator[ast.AST]:
    pending = [statement]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def names_read_in(node: ast.AST) -> set[str]:
    """Returns the names that are read anywhere in a Python syntax tree."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load)}


def defines_all_names(code: ParsedCode, names: Iterable[str]) -> bool:
    """Returns whether Python code defines all of `names` at the top level of its module."""
    bound = set[str]().union(*map(names_bound_by, code.tree.body))
    return bound.issuperset(names)


def expose_methods_as_functions(code: ParsedCode, method_names: Iterable[str]) -> ParsedCode:
    """Returns the code with an assignment `name = Class().name` for each of `method_names` that it does not define yet.

    `Class` (such as `Solution`) is the last class that has all these methods and a constructor without required
    arguments. If there is no such class, the code is returned unchanged.
    """
    missing = sorted(set(method_names) - set[str]().union(*map(names_bound_by, code.tree.body)))
    for statement in reversed(code.tree.body if missing else []):
        if isinstance(statement, ast.ClassDef):
            methods = {part.name: part for part in statement.body if isinstance(part, ast.FunctionDef)}
            if methods.keys() >= set(missing) and not _has_required_arguments(methods.get("__init__")):
                assignments = "\n".join(f"{name} = {statement.name}().{name}" for name in missing)
                return parse_code(f"{code.text}\n\n{assignments}\n") or code
    return code


def _has_required_arguments(constructor: ast.FunctionDef | None) -> bool:
    """Returns whether a constructor has required arguments besides `self`."""
    if constructor is None:
        return False
    arguments = constructor.args
    required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return required > 1 or any(default is None for default in arguments.kw_defaults)


def is_function_stub(code: ParsedCode, function_names: Sequence[str]) -> bool:
    """Returns whether the last function with one of these names is a stub, without a real body.

    A stub's body is only `pass`, `...`, a docstring or `raise NotImplementedError`.
    """
    functions = [
        statement
        for statement in code.tree.body
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name in function_names
    ]
    return bool(functions) and all(map(_is_placeholder_statement, functions[-1].body))


def _is_placeholder_statement(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError")) | ast.Name(id="NotImplementedError")):
            return True
    return False


def is_function_body(code: ParsedCode) -> bool:
    """Returns whether code can only be the body of a function: it has a `return` or `yield` outside of any function."""
    return any(
        isinstance(node, ast.Return | ast.Yield | ast.YieldFrom)
        for statement in code.tree.body
        for node in _nodes_outside_functions(statement)
    )


def sources_of_missing_definitions(
    code: ParsedCode, other_blocks: Sequence[ParsedCode], known_names: set[str]
) -> list[str]:
    """Returns the source of each statement in `other_blocks` that defines a name that `code` uses but does not define.

    `known_names` need no definition. `other_blocks` has first the blocks before `code`, from the nearest to the
    farthest, then those after it. If two of them define the same name, the first definition is used.
    """
    definitions: dict[str, tuple[ParsedCode, ast.stmt]] = {}
    for other in other_blocks:
        for statement in other.tree.body:
            if not isinstance(statement, ast.Expr | ast.Assert):
                for name in names_bound_by(statement):
                    if name not in definitions or definitions[name][0] is other:
                        definitions[name] = (other, statement)
    bound = {name for node in ast.walk(code.tree) for name in _names_bound_in_node(node)} | known_names | BUILTINS
    pending, chosen = sorted(names_read_in(code.tree) - bound), dict[int, tuple[ParsedCode, ast.stmt]]()
    while pending:
        name = pending.pop()
        if name in bound or name not in definitions:
            continue
        other, statement = definitions[name]
        bound |= names_bound_by(statement)
        chosen[id(statement)] = (other, statement)
        pending += sorted(names_read_in(statement) - bound)
    order = {
        id(statement): number for number, statement in enumerate(_statements_from_last_to_first_block(other_blocks))
    }
    return [_statement_source(*chosen[key]) for key in sorted(chosen, key=lambda key: order[key])]


def _statements_from_last_to_first_block(other_blocks: Sequence[ParsedCode]) -> Iterator[ast.stmt]:
    for other in reversed(other_blocks):
        yield from other.tree.body


def _names_bound_in_node(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.ClassDef(name=name) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]


def _statement_source(code: ParsedCode, statement: ast.stmt) -> str:
    first, last = line_range_of_statement(statement)
    return "\n".join(code.lines[first - 1 : last])


def line_range_of_statement(statement: ast.stmt) -> tuple[int, int]:
    """Returns the numbers, from 1, of a statement's (first line, last line). Its decorators belong to it."""
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(node.lineno for node in decorators)]), statement.end_lineno or statement.lineno


def demonstration_statements(code: ParsedCode, function_names: Sequence[str]) -> list[ast.stmt]:
    """Returns the top-level statements that only print or test the results of the functions `function_names`.

    Such statements are assertions, `if __name__ == "__main__"`, calls of functions such as `print`, and calls of
    `function_names`. A statement that defines a name that these functions use is not included.
    """
    needed = _names_used_by(code, function_names)
    return [
        statement
        for statement in code.tree.body
        if not names_bound_by(statement) & needed
        and _only_prints_or_tests(statement, _names_of_callers(code, function_names))
    ]


def _names_used_by(code: ParsedCode, function_names: Iterable[str]) -> set[str]:
    """Returns `function_names` and all names that these functions use, directly or transitively."""
    uses: dict[str, set[str]] = {}
    for statement in code.tree.body:
        for name in names_bound_by(statement):
            uses.setdefault(name, set()).update(names_read_in(statement))
    reached, pending = set[str](), list(function_names)
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending.extend(uses.get(name, ()))
    return reached


def _names_of_callers(code: ParsedCode, function_names: Iterable[str]) -> set[str]:
    """Returns `function_names` and the names of the functions and classes that use them, directly or transitively."""
    callers, grown = set(function_names), True
    definitions = [
        (names_bound_by(statement), names_read_in(statement))
        for statement in code.tree.body
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    while grown:
        new = {name for bound, used in definitions if used & callers for name in bound} - callers
        callers |= new
        grown = bool(new)
    return callers


def _only_prints_or_tests(statement: ast.stmt, caller_names: set[str]) -> bool:
    match statement:
        case ast.Assert():
            return True
        case ast.Expr(value=value) if not isinstance(value, ast.Constant) and not _contains_call(value):
            return True  # An expression without effect, such as a word of prose.
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Import() | ast.ImportFrom():
            return False
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name in DEMONSTRATIONS:
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name))) if (
            module,
            name,
        ) in DEMONSTRATING_METHODS:
            return True
    return bool(names_read_in(statement) & (caller_names | {"input"}))


def _contains_call(expression: ast.expr) -> bool:
    return any(isinstance(node, ast.Call | ast.Await | ast.Yield | ast.YieldFrom) for node in ast.walk(expression))


def text_without_statements(code: ParsedCode, removed: Iterable[ast.stmt]) -> str:
    """Returns the text of `code` without the lines of the `removed` statements.

    A line that also belongs to a statement that is not removed is kept.
    """
    removed_ids = {id(statement) for statement in removed}
    removed_lines = {
        line
        for part in code.tree.body
        if id(part) in removed_ids
        for line in range(line_range_of_statement(part)[0], line_range_of_statement(part)[1] + 1)
    }
    kept_lines = {
        line
        for part in code.tree.body
        if id(part) not in removed_ids
        for line in range(line_range_of_statement(part)[0], line_range_of_statement(part)[1] + 1)
    }
    removed_lines -= kept_lines
    return "\n".join(line for number, line in enumerate(code.lines, 1) if number not in removed_lines)


def future_imports(code: ParsedCode) -> list[ast.stmt]:
    """Returns the statements `from __future__ import ...` in Python code."""
    return [part for part in code.tree.body if isinstance(part, ast.ImportFrom) and part.module == "__future__"]
