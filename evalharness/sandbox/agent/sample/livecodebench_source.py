"""Converts a program that reads stdin to a function, as LiveCodeBench's grader does.

Source: LiveCodeBench/LiveCodeBench, lcb_runner/evaluation/testing_util.py `clean_if_name`, `make_function`.
"""

import ast

STAR_IMPORTS = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json", "builtins", "typing"),
)
IMPORTED_MODULES = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json"),
)
PRELUDE = "".join(
    [*(f"from {name} import *\n" for name in STAR_IMPORTS), *(f"import {name}\n" for name in IMPORTED_MODULES)]
)
PRELUDE += "sys.setrecursionlimit(50000)\n"
"""The text before every program: `import_string` of the official grader."""
WRAPPER_FUNCTION = "wrapped_function"
MAIN_GUARD = "__name__ == '__main__'"


def convert_program_to_function(source: str) -> str:
    """Returns the program's source rewritten: its imports, then a function that contains all other statements.

    A final `if __name__ == "__main__":` is replaced by its body. If the program cannot be parsed, returns it unchanged.
    """
    try:
        return _wrap_in_function(_without_main_guard(source))
    except Exception:  # the official grader continues with the text after any exception
        return _without_main_guard(source)


def _without_main_guard(source: str) -> str:
    try:
        tree = ast.parse(source)
        last = tree.body[-1]
        if isinstance(last, ast.If) and ast.unparse(last.test).strip() == MAIN_GUARD:
            return _unparse(tree.body[:-1]) + "\n" + _unparse(last.body)
    except Exception:
        pass
    return source


def _wrap_in_function(source: str) -> str:
    body = ast.parse(source).body
    imports: list[ast.stmt] = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    others = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef(name=WRAPPER_FUNCTION, args=nothing, body=others, decorator_list=[], lineno=-1)
    return "\n".join([PRELUDE, _unparse(imports), ast.unparse(function)])


def _unparse(statements: list[ast.stmt]) -> str:
    return ast.unparse(statements)  # type: ignore[arg-type]  # it accepts lists of statements
