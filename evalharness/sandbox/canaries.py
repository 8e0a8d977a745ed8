"""Proofs that a program's tests, which run in its own process, have really run and really decide.

`with_token` puts a statement after the last test that prints a secret. `canaries` makes, for each test, the same
program with that test made false: a program that passes one of them does not pass by solving the problem.
The exchanged value comes from another test of the same problem, so that a program cannot tell a canary from the
original by reading its own source, unless it knows the right answers.
"""

import re
from collections.abc import Callable, Iterator

from evalharness.sandbox.languages import Tests


def with_token(tests: str, form: Tests, token: str) -> str:
    """The tests with the statement that prints the token after the last of them.

    Raises ValueError where no test is found: such tests cannot be judged.
    """
    return _insert(tests, form, form.end.replace("{token}", token))


def canaries(tests: str, form: Tests, token: str) -> Iterator[str]:
    """The tests, one made false at a time, each with the statement that prints the token."""
    matches = list(re.finditer(form.line, tests))
    values = [match["expected"] for match in matches]
    for match, value in zip(matches, values, strict=True):
        other = _other(value, values)
        if other is None:
            yield _insert(with_token(tests, form, token), form, form.fails)
            return
        start, end = match.span("expected")
        yield with_token(tests[:start] + other + tests[end:], form, token)


CHANGES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"(?i)\btrue\b|#t\b", lambda found: _like(found[0], "false")),
    (r"(?i)\bfalse\b|#f\b", lambda found: _like(found[0], "true")),
    (r"(?<![\w.])\d+(?![\w.])", lambda found: str(int(found[0]) + 1)),
    (r"[\"']", lambda found: found[0] + "x"),
    (r"\d+", lambda found: str(int(found[0]) + 1)),
)
"""How a value that all tests of a problem share is made another of the same type."""


def _like(old: str, new: str) -> str:
    """A truth value as the language writes it."""
    if old.startswith("#"):
        return f"#{new[0]}"
    return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new


def _insert(tests: str, form: Tests, statement: str) -> str:
    places = [match.end() for match in re.finditer(form.end_after or form.line, tests)]
    if not places:
        raise ValueError("no test in the form of this language was found")
    return f"{tests[: places[-1]]}\n{statement}{tests[places[-1] :]}"


def _other(value: str, values: list[str]) -> str | None:
    """Another value of the same problem that is not equal, or None. Numbers count as equal by their value."""
    for other in values:
        if _normal(other) != _normal(value):
            return other
    for pattern, change in CHANGES:
        changed = re.sub(pattern, change, value, count=1)
        if changed != value:
            return changed
    return None


def _normal(value: str) -> str | float:
    bare = value.strip().strip("()")
    try:
        return float(bare)
    except ValueError:
        return "".join(bare.split())
