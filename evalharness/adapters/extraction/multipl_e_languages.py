"""Where functions, imports and main programs begin in the languages of MultiPL-E."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FunctionSyntax:
    """How a language writes the function of a problem and what surrounds it. All texts are regular expressions."""

    definition: str
    """The start of the function `{name}`."""
    closed_by_tests: bool = False
    """Whether the tests begin with the brace that closes the function."""
    in_class: bool = False
    """Whether prompt and tests put the function in a class."""
    imports: str = ""
    """An import, as a whole line. Imports that the prompt lacks move to the beginning of the program."""
    dropped: str = ""
    """A line to remove, because the prompt has it already."""
    main: str = ""
    """The start of a main program, which would collide with that of the tests."""
    end: str = ""
    """The text (not a pattern) that closes the module that the prompt opens."""


SYNTAX: Mapping[str, FunctionSyntax] = {
    "cpp": FunctionSyntax(
        r"[\w:][\w:<>,&* ]*\b{name}\s*\(",
        closed_by_tests=True,
        imports=r"#include.*|using .*;",
        main=r"(?:int|void)\s+main\s*\(",
    ),
    "rs": FunctionSyntax(r"(?:pub\s+)?fn\s+{name}\b", closed_by_tests=True, imports=r"use .*;", main=r"fn\s+main\s*\("),
    "sh": FunctionSyntax(r"(?:function\s+)?{name}\s*(?:\(\s*\))?\s*\{", closed_by_tests=True, dropped=r"#!.*"),
    "swift": FunctionSyntax(r"(?:public\s+)?func\s+{name}\b", closed_by_tests=True, imports=r"import .*"),
    "java": FunctionSyntax(
        r"(?:(?:public|private|static|final)\s+)*(?!return\b)[\w<>\[\](), .?]+\s+{name}\s*\(",
        closed_by_tests=True,
        in_class=True,
        imports=r"import .*;",
        dropped=r"package .*;",
        main=r"public\s+static\s+void\s+main\s*\(",
    ),
    "cs": FunctionSyntax(
        r"(?:(?:public|private|static|internal)\s+)*(?!return\b)[\w<>\[\](), .?]+\s+{name}\s*\(",
        closed_by_tests=True,
        in_class=True,
        imports=r"using [\w.]+;",
        main=r"(?:public\s+)?static\s+(?:void|int)\s+Main\s*\(",
    ),
    "scala": FunctionSyntax(
        r"def\s+{name}\b",
        closed_by_tests=True,
        in_class=True,
        imports=r"import .*",
        dropped=r"package .*",
        main=r"def\s+main\s*\(",
    ),
    "go": FunctionSyntax(
        r"func\s+{name}\b", imports=r'import\s+(?:\w+\s+)?"[^"]*"', dropped=r"package .*", main=r"func\s+main\s*\("
    ),
    "php": FunctionSyntax(r"function\s+{name}\b", dropped=r"<\?(?:php)?|\?>"),
    "js": FunctionSyntax(r"(?:(?:async\s+)?function\s+{name}\b|(?:const|let|var)\s+{name}\s*=)"),
    "ts": FunctionSyntax(r"(?:(?:async\s+)?function\s+{name}\b|(?:const|let|var)\s+{name}\b)"),
    "lua": FunctionSyntax(r"(?:local\s+)?function\s+{name}\b"),
    "rb": FunctionSyntax(r"def\s+{name}\b"),
    "pl": FunctionSyntax(r"sub\s+{name}\b"),
    "py": FunctionSyntax(r"(?:async\s+)?def\s+{name}\b"),
    "r": FunctionSyntax(r"{name}\s*(?:<-|=)\s*function\b"),
    "jl": FunctionSyntax(r"(?:function\s+{name}\b|{name}\s*\()"),
    "d": FunctionSyntax(
        r"[\w\[\]!(),.]+(?:\s+[\w\[\]!(),.]+)*\s+{name}\s*\(", imports=r"import .*;", main=r"void\s+main\s*\("
    ),
    "rkt": FunctionSyntax(r"\(define\s+\(?{name}\b", dropped=r"#lang .*"),
    "hs": FunctionSyntax(r"{name}\s*::", imports=r"import .*", dropped=r"module .*"),
    "ml": FunctionSyntax(r"let\s+(?:rec\s+)?{name}\b"),
    "elixir": FunctionSyntax(r"def\s+{name}\b", end="end"),
}
"""By MultiPL-E's code of the language."""
