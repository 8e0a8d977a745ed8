"""Prints docstrings, error messages and names of the package, drawn at random, for a reader who does not know it.

Each of them should be understood at the first reading, with nothing but its path, class and signature:

    python scripts/draw_words.py [N]
"""

import ast
import random
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1] / "evalharness"
SHORTEST = 25
"""Characters of source of a shorter message, which is a part of another one."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Item:
    """A text to be understood, and where it is."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}\n{self.text}\n"


class Module:
    """The items of one file."""

    def __init__(self, path: Path) -> None:
        self._name, self._source = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        self._tree = ast.parse(self._source)

    def docstrings(self) -> Iterator[Item]:
        """Yields signature and docstring of each documented function and class."""
        for place, node in self._definitions():
            if text := ast.get_docstring(node):
                yield Item(place, f"{self._signature(node)}\n{textwrap.indent(text, '    ')}")

    def names(self) -> Iterator[Item]:
        """Yields the signature of each function and class."""
        for place, node in self._definitions():
            yield Item(place, self._signature(node))

    def messages(self) -> Iterator[Item]:
        """Yields the source of each text that an error is raised with."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                for argument in node.exc.args:
                    text = str(ast.get_source_segment(self._source, argument))
                    if isinstance(argument, ast.JoinedStr | ast.Constant) and len(text) >= SHORTEST:
                        yield Item(self._name, text)

    def _definitions(self) -> Iterator[tuple[str, Definition]]:
        """Yields all definitions except special methods, each with its file and, for methods, its class."""
        owners = {
            node: owner.name for owner in ast.walk(self._tree) if isinstance(owner, ast.ClassDef) for node in owner.body
        }
        for node in ast.walk(self._tree):
            if isinstance(node, Definition) and not node.name.startswith("__"):
                yield self._name + (f", class {owners[node]}" if node in owners else ""), node

    def _signature(self, node: Definition) -> str:
        lines = self._source.splitlines()[node.lineno - 1 : max(node.lineno, node.body[0].lineno - 1)]
        return textwrap.dedent("\n".join(lines)).rstrip(":")


def main() -> None:
    """Prints N of each kind, 10 by default."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    modules = [Module(path) for path in sorted(ROOT.rglob("*.py"))]
    for kind in ("docstrings", "messages", "names"):
        items = [item for module in modules for item in getattr(module, kind)()]
        print(f"== {count} of {len(items)} {kind}\n")
        print(*random.sample(items, count), sep="\n")


if __name__ == "__main__":
    main()
