"""Ensures that the tests of a program, which run in its own process, really run and decide.

`with_token` adds a statement after the last test that prints a secret token. `canaries` yields the tests with one made
false at a time: a program that passes one of them does not pass by solving the problem. The false value is of the same
type and, if possible, differs from all others of the problem, so that a program that reads its own source cannot tell a
canary from the original without knowing the right answers.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence

from evalharness.sandbox.languages import Tests

DRAW = random.SystemRandom()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TRIES = 20
"""How often a change of a value is drawn before another kind of change is tried."""


def with_token(tests: str, form: Tests, token: str) -> str:
    """Returns the tests with a statement after the last one that prints the token.

    Raises ValueError if no test is found.
    """
    return _insert(tests, form, form.end.replace("{token}", token))


def canaries(tests: str, form: Tests, token: str) -> Iterator[str]:
    """Yields the tests with one made false at a time, and with the statement that prints the token."""
    matches = list(re.finditer(form.line, tests))
    values = [match["expected"] for match in matches]
    for match in matches:
        other = other_value(match["expected"], values)
        if other is None:
            yield _insert(with_token(tests, form, token), form, form.fails)
        else:
            start, end = match.span("expected")
            yield with_token(tests[:start] + other + tests[end:], form, token)


def _insert(tests: str, form: Tests, statement: str) -> str:
    ends = [match.end() for match in re.finditer(form.end_after or form.line, tests)]
    if not ends:
        raise ValueError("no test in the form of this language was found")
    return f"{tests[: ends[-1]]}\n{statement}{tests[ends[-1] :]}"


def other_value(value: str, values: Sequence[str] = ()) -> str | None:
    """Returns a value of the same type that is unequal in every language; None if there is none.

    If possible, it differs from all of `values`, too.
    """
    known = {_normal(other) for other in values}
    for pattern, change in CHANGES:
        matches = list(re.finditer(pattern, value))
        for _ in range(TRIES if matches else 0):
            match = DRAW.choice(matches)
            changed = value[: match.start()] + change(match) + value[match.end() :]
            if pattern is TRUTH or _normal(changed) not in known:
                return changed
    return next((other for other in values if _normal(other) != _normal(value)), None)


def _other_truth(match: re.Match[str]) -> str:
    """Returns the other truth value, in the language's spelling."""
    old = match[0]
    new = "false" if old.lower() in ("true", "#t") else "true"
    if old.startswith("#"):
        return f"#{new[0]}"
    return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new


def _other_letter(match: re.Match[str]) -> str:
    return DRAW.choice(LETTERS.replace(match[0].lower(), ""))


TRUTH = r"(?i)(?<!\w)(?:true|false)(?!\w)|#[tf](?!\w)"
NUMBER = r"(?<![\w.])\d{1,15}(?!\w*\()"
LETTER_OF_A_TEXT = r"(?<=[\"'])[a-zA-Z](?=[a-zA-Z ]*[\"'])"
CHANGES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (TRUTH, _other_truth),
    (NUMBER, lambda match: str(int(match[0]) + DRAW.randint(1, 9))),
    (LETTER_OF_A_TEXT, _other_letter),
)
"""Patterns of parts of a value, and how they change, in the order in which they are tried."""


def _normal(value: str) -> str:
    """Returns the value without what some language ignores.

    These are spaces, quotes, brackets, small differences, and the form of truth values.
    """
    text = re.sub(r"""[\s()"']""", "", value.lower())
    text = re.sub(r"\btrue\b|#t\b", "1", re.sub(r"\bfalse\b|#f\b", "0", text))
    return re.sub(r"\d+(\.\d+)?", lambda match: f"{float(match[0]):.6g}", text)
