"""Edits Python source in place, at the positions of syntax nodes, without changing line numbers."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """An edit of a source text: `text` replaces its UTF-8 bytes from `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int
    text: str


class SourceText:
    """A Python source that can be edited at the positions of its syntax nodes."""

    def __init__(self, text: str):
        self.data = text.encode("utf-8", "surrogatepass")
        self._lines = [0]
        for line in self.data.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def byte_range(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Returns the start and the end (exclusive) of a syntax node in the source's UTF-8 bytes."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._lines[node.lineno - 1] + node.col_offset, self._lines[end_line - 1] + end_column

    def text_of(self, node: ast.expr) -> str:
        """Returns the source text of a syntax node."""
        start, end = self.byte_range(node)
        return self.data[start:end].decode("utf-8", "surrogatepass")

    def edit_replacing_arguments(self, first_argument: ast.expr, last_argument: ast.expr, replacement: str) -> Edit:
        """Returns an edit that replaces a call's arguments, from the first to the last given one, by `replacement`.

        The edit does not reduce the number of lines.
        """
        start, end = self.byte_range(first_argument)[0], self.byte_range(last_argument)[1]
        if (
            isinstance(first_argument, ast.GeneratorExp)
            and first_argument is last_argument
            and self.data[start:end].startswith(b"(")
        ):
            replacement = f"({replacement})"  # the call's brackets, if it is the only argument, are the generator's
        missing = self.data[start:end].count(b"\n") - replacement.count("\n")
        return Edit(start, end, replacement + "\n" * missing)

    def with_edits(self, edits: Iterable[Edit]) -> str:
        """Returns the source with all edits applied; they must not overlap."""
        data = self.data
        for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
            data = data[: edit.start] + edit.text.encode("utf-8", "surrogatepass") + data[edit.end :]
        return data.decode("utf-8", "surrogatepass")
