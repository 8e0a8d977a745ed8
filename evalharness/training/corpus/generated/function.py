"""Generated Python functions for training: signature, description, body, and example calls."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

TYPING_NAMES = ("Any", "Dict", "List", "Optional", "Tuple")
ALLOWED = {"re", "math", "collections", "typing", "itertools", "functools"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a generated function: name, type annotation, and a sampler of argument values."""

    name: str
    type: str
    sample: Callable[[Random], Any]


@dataclass(frozen=True)
class Function:
    """A generated Python function with its description.

    `text` describes the function in sentences. `body` is its code without indentation. `imports` are the import lines
    that the body needs, without those for type annotations.
    """

    family: str
    name: str
    params: tuple[Parameter, ...]
    returns: str
    text: str
    body: str
    imports: tuple[str, ...] = ()
    alternative: str = ""
    """A body in another style with the same results, to verify the first; empty if there is none."""
    trials: int = 7
    """The number of example calls."""

    def signature(self, typed: bool = True) -> str:
        """Returns the function's `def` line, with or without type annotations."""
        if not typed:
            return f"def {self.name}({', '.join(param.name for param in self.params)}):"
        listed = ", ".join(f"{param.name}: {param.type}" for param in self.params)
        return f"def {self.name}({listed}) -> {self.returns}:"

    def import_lines(self, typed: bool = True) -> str:
        """Returns the import lines that the function needs, with `typed` also for its type annotations; "" if none."""
        lines = list(self.imports)
        types = " ".join([*(param.type for param in self.params), self.returns]) if typed else ""
        parts = [part for part in TYPING_NAMES if f"{part}[" in types or types.split().count(part)]
        if parts:
            lines.insert(0, f"from typing import {', '.join(parts)}")
        return "".join(line + "\n" for line in lines)


@dataclass(frozen=True)
class ExampleCall:
    """An example call of a generated function: its arguments and the returned value."""

    arguments: tuple[Any, ...]
    value: Any


def indent(text: str, spaces: int = 4) -> str:
    """Returns the text with each non-empty line indented by `spaces` spaces, and with a line break at its end."""
    return "".join((" " * spaces + line if line else "") + "\n" for line in text.strip("\n").split("\n"))


def make_example_calls(function: Function, random: Random) -> tuple[ExampleCall, ...]:
    """Returns example calls of a generated function, made by calling it with random arguments.

    Returns no calls if the function is unsuitable for training: if it raises an exception, changes its arguments, or
    always returns the same value, if it returns a large value, or if its alternative body returns other values.
    """
    source = function.import_lines() + function.signature() + "\n" + indent(function.body)
    try:
        call = _compile_function(source, function.name)
        alternative = None
        if function.alternative:
            alternative = _compile_function(
                function.import_lines() + function.signature() + "\n" + indent(function.alternative), function.name
            )
        cases: dict[str, ExampleCall] = {}
        for _ in range(function.trials * 2):
            arguments = tuple(param.sample(random) for param in function.params)
            key = repr(arguments)
            if key in cases or len(key) > 110:
                continue
            value = call(*arguments)
            if repr(arguments) != key or len(repr(value)) > 90 or _is_too_large_for_example(value):
                return ()
            if alternative is not None and alternative(*arguments) != value:
                return ()
            cases[key] = ExampleCall(arguments, value)
            if len(cases) == function.trials:
                break
    except (ArithmeticError, ValueError, LookupError, TypeError, StopIteration, RecursionError):
        return ()
    values = {repr(case.value) for case in cases.values()}
    return tuple(cases.values()) if len(cases) >= 3 and len(values) >= 2 else ()


def _compile_function(source: str, function_name: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), namespace)
    function: Callable[..., Any] = namespace[function_name]
    return function


def _is_too_large_for_example(value: Any) -> bool:
    """Returns whether a value, or any value inside a collection, is too large or too long for an example call."""
    if isinstance(value, float):
        return value != value or abs(value) > 1e9 or len(repr(value)) > 10
    if isinstance(value, int):
        return abs(value) > 10**9
    if isinstance(value, list | tuple | set):
        return any(_is_too_large_for_example(item) for item in value)
    if isinstance(value, dict):
        return any(_is_too_large_for_example(item) for item in value.values())
    return False
