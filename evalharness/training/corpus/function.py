"""A generated function: its signature, what it is said to do, its body, and inputs to try it on."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

PARTS = ("Any", "Dict", "List", "Optional", "Tuple")
ALLOWED = {"re", "math", "collections", "typing", "itertools", "functools"}


@dataclass(frozen=True)
class Param:
    """A parameter: its name, its type as it is written, and how a value of it is drawn."""

    name: str
    type: str
    sample: Callable[[Random], Any]


@dataclass(frozen=True)
class Function:
    """A function that was put together. `text` are the sentences that describe it; `body` is not indented.

    Text and body name the parameters; `imports` are whole lines that the body needs, beside typing's.
    """

    family: str
    name: str
    params: tuple[Param, ...]
    returns: str
    text: str
    body: str
    imports: tuple[str, ...] = ()
    twin: str = ""
    """Another body, of another style, that must give the same values."""
    trials: int = 7

    def signature(self, typed: bool = True) -> str:
        """The line that begins with def."""
        if not typed:
            return f"def {self.name}({', '.join(param.name for param in self.params)}):"
        listed = ", ".join(f"{param.name}: {param.type}" for param in self.params)
        return f"def {self.name}({listed}) -> {self.returns}:"

    def preamble(self, typed: bool = True) -> str:
        """The lines of imports, empty if none is needed."""
        lines = list(self.imports)
        types = " ".join([*(param.type for param in self.params), self.returns]) if typed else ""
        parts = [part for part in PARTS if f"{part}[" in types or types.split().count(part)]
        if parts:
            lines.insert(0, f"from typing import {', '.join(parts)}")
        return "".join(line + "\n" for line in lines)


@dataclass(frozen=True)
class Case:
    """Arguments and what the function gives for them."""

    arguments: tuple[Any, ...]
    value: Any


def indent(text: str, by: int = 4) -> str:
    """Every line that is not empty, moved to the right; with a line break at the end."""
    return "".join((" " * by + line if line else "") + "\n" for line in text.strip("\n").split("\n"))


def checked(function: Function, random: Random) -> tuple[Case, ...]:
    """What running the function gives, without repeated arguments. Empty if it is not worth keeping.

    It is not if it raises, takes long, disagrees with its twin, changes its arguments, or gives the same value
    whatever it is given.
    """
    source = function.preamble() + function.signature() + "\n" + indent(function.body)
    try:
        call = _load(source, function.name)
        twin = None
        if function.twin:
            twin = _load(function.preamble() + function.signature() + "\n" + indent(function.twin), function.name)
        cases: dict[str, Case] = {}
        for _ in range(function.trials * 2):
            arguments = tuple(param.sample(random) for param in function.params)
            key = repr(arguments)
            if key in cases or len(key) > 110:
                continue
            value = call(*arguments)
            if repr(arguments) != key or len(repr(value)) > 90 or _huge(value):
                return ()
            if twin is not None and twin(*arguments) != value:
                return ()
            cases[key] = Case(arguments, value)
            if len(cases) == function.trials:
                break
    except (ArithmeticError, ValueError, LookupError, TypeError, StopIteration, RecursionError):
        return ()
    values = {repr(case.value) for case in cases.values()}
    return tuple(cases.values()) if len(cases) >= 3 and len(values) >= 2 else ()


def _load(source: str, name: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), space)
    found: Callable[..., Any] = space[name]
    return found


def _huge(value: Any) -> bool:
    if isinstance(value, float):
        return value != value or abs(value) > 1e9 or len(repr(value)) > 10
    if isinstance(value, int):
        return abs(value) > 10**9
    if isinstance(value, list | tuple | set):
        return any(_huge(item) for item in value)
    if isinstance(value, dict):
        return any(_huge(item) for item in value.values())
    return False
