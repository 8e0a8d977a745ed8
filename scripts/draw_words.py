"""Prints docstrings, error messages and names of the package, drawn at random, for a reader who does not know it.

Each of them should be understood at the first reading, with nothing but its path and signature:

    python scripts/draw_words.py [N]
"""

import ast
import random
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1] / "evalharness"
SHORTEST = 25
"""Characters of source of a shorter message, which is a part of another one."""
Item = tuple[str, str]


def functions_and_classes(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yields all definitions of functions and classes, except special methods."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("__"):
            yield node


def docstrings(tree: ast.AST, source: str) -> Iterator[str]:
    """Yields signature and docstring of each documented function and class."""
    for node in functions_and_classes(tree):
        if text := ast.get_docstring(node):
            yield f"{str(ast.get_source_segment(source, node)).split(chr(34) * 3)[0].strip()}\n{text}"


def messages(tree: ast.AST, source: str) -> Iterator[str]:
    """Yields the source of each text that an error is raised with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in node.exc.args:
                text = str(ast.get_source_segment(source, argument))
                if isinstance(argument, ast.JoinedStr | ast.Constant) and len(text) >= SHORTEST:
                    yield text


def main() -> None:
    """Prints N of each kind, 10 by default."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    items: dict[str, list[Item]] = {"docstrings": [], "messages": [], "names": []}
    for path in sorted(ROOT.rglob("*.py")):
        source, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        tree = ast.parse(source)
        items["docstrings"] += [(name, text) for text in docstrings(tree, source)]
        items["messages"] += [(name, text) for text in messages(tree, source)]
        items["names"] += [(name, node.name) for node in functions_and_classes(tree)]
    for kind, found in items.items():
        print(f"== {count} of {len(found)} {kind}\n")
        for name, text in random.sample(found, count):
            print(f"{name}\n{text}\n")


if __name__ == "__main__":
    main()
