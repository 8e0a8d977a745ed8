"""Parsing Python on many threads."""

import ast
import threading
import warnings

_ONE_AT_A_TIME = threading.Lock()
TRIES = 3


def parse(source: str) -> ast.Module:
    """`ast.parse` without warnings, made safe for threads. Raises what it raises for a source that does not parse.

    CPython 3.11 counts the depth of trees in one place for all threads, and raises SystemError when two of them parse
    at once, or after one has failed (python/cpython issue 106905).
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(TRIES - 1):
            try:
                return ast.parse(source)
            except SystemError:
                continue
        return ast.parse(source)


def expression(text: str) -> ast.expr:
    """The tree of an expression. Raises as `parse` does."""
    statement = parse(text).body[0]
    assert isinstance(statement, ast.Expr)
    return statement.value
