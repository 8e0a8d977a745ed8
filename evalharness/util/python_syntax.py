"""Parses Python source to syntax trees; thread-safe."""

import ast
import threading
import warnings

_LOCK = threading.Lock()
MAX_ATTEMPTS = 3


def parse_python(source: str) -> ast.Module:
    """Returns the syntax tree of Python source, like `ast.parse`, but without warnings, and thread-safe.

    CPython 3.11 counts the depth of syntax trees in one variable for all threads, and raises SystemError when two
    threads parse at once, or after a parse has failed (python/cpython issue 106905).
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return ast.parse(source)
            except SystemError:
                continue
        return ast.parse(source)
