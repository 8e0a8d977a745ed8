"""Texts whose shapes make readers superlinear: patterns that backtrack, parsers that nest or recover from errors."""

import itertools
import random
from collections.abc import Callable, Mapping

Shape = Callable[[int], str]


def repeated(unit: str, start: str = "", end: str = "") -> Shape:
    """Returns the shape that repeats a unit between a start and an end."""
    return lambda size: start + unit * ((size - len(start) - len(end)) // len(unit.encode())) + end


def nested(opening: str, closing: str, middle: str = "1") -> Shape:
    """Returns the shape in which a bracket contains itself to the deepest level that fits."""

    def text(size: int) -> str:
        depth = (size - len(middle)) // len(opening + closing)
        return opening * depth + middle + closing * depth

    return text


def _noise(size: int) -> str:
    draw = random.Random(0)
    return "".join(draw.choices("ab 01\n\t(){}[]<>\"'`#/*\\.,;:=+-&|!?@$%^~_", k=size))


def _indents(size: int) -> str:
    lines = (f"{' ' * (number % 90)}if x{number}:\n" for number in itertools.count())
    parts, length = [], 0
    for line in lines:
        parts.append(line)
        length += len(line)
        if length > size:
            return "".join(parts)[:size]
    raise AssertionError("unreachable")


def _functions(size: int) -> str:
    unit = "def f{0}(x):\n    return f{1}(x) + 1\n\n"
    count = size // len(unit.format(10000, 10000))
    return "".join(unit.format(number, number + 1) for number in range(count))


SHAPES: Mapping[str, Shape] = {
    "one word": repeated("x"),
    "a word in a comment": repeated("x", "        return 1; // "),
    "spaces": repeated(" "),
    "tabs and spaces": repeated(" \t"),
    "line breaks": repeated("\n"),
    "carriage returns": repeated("\r"),
    "open brackets": repeated("("),
    "mixed open brackets": repeated("([{"),
    "open braces": repeated("{"),
    "closing braces": repeated("}\n"),
    "nested lists": nested("[", "]"),
    "nested calls": nested("f(", ")"),
    "nested dicts": nested("{1:", "}"),
    "a list of numbers": repeated("1,", "[", "1]"),
    "a dict of numbers": repeated("1:1,", "x = {", "}"),
    "unary operators": repeated("-", "x = ", "1"),
    "binary operators": repeated("1+", "x = ", "1"),
    "attributes": repeated(".a", "x"),
    "conditions": repeated("a if b else ", "x = ", "1"),
    "backslashes": repeated("\\"),
    "continued lines": repeated("\\\n"),
    "quotes": repeated('"'),
    "triple quotes": repeated("'''\n"),
    "an open string": repeated("a", 'x = "'),
    "escaped quotes": repeated('\\"', '"'),
    "backticks": repeated("`"),
    "fences": repeated("```\n"),
    "fences with a tag": repeated("```python\nx = 1\n"),
    "fences in block quotes": repeated("> ```\n"),
    "nested block quotes": repeated(">", "", "\n```\nx\n```\n"),
    "nested list items": repeated("- "),
    "numbered lines": repeated("1. a\n"),
    "open comments": repeated("/*"),
    "comment lines": repeated("# a\n"),
    "comment ends": repeated("*/ /* "),
    "angle brackets": repeated("<", "Map<"),
    "generic types": repeated("Map<String, ", "public static "),
    "open tags": repeated("<think>"),
    "closing tags": repeated("</think>"),
    "channels": repeated("<|channel|>analysis<|message|>"),
    "words and spaces": repeated("a "),
    "words with hyphens": repeated("a-"),
    "types of a declaration": repeated("int ", "", "f"),
    "declarations": repeated("int f();\n"),
    "definitions": _functions,
    "definitions of one name": repeated("def f(x):\n    return 1\n"),
    "headers of definitions": repeated("def f("),
    "imports": repeated("import a.b as c\n"),
    "includes": repeated("#include <a>\n"),
    "decorators": repeated("@a\n"),
    "assertions": repeated("assert f(1) == 1\n"),
    "indented blocks": _indents,
    "classes in a line": repeated("class A{"),
    "public static": repeated("public static "),
    "bidirectional controls": repeated("\u202e\u2066"),
    "terminal escapes": repeated("\x1b[31m"),
    "open escapes": repeated("\x1b["),
    "nulls": repeated("\0"),
    "combining characters": repeated("\u0301"),
    "unpaired surrogates": lambda size: "\ud800" * (size // 3),
    "byte order marks": repeated("\ufeff"),
    "table cells": repeated("|"),
    "ampersands": repeated("&lt;"),
    "LaTeX": repeated("\\input{"),
    "noise": _noise,
}
"""The shapes by name; each takes a size in bytes."""
