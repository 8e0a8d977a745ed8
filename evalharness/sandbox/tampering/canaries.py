"""Proofs that a program's tests, which run in its own process, have really run and really decide.

`with_token` puts a statement after the last test that prints a secret. `canaries` makes, for each test, the same
program with that test made false: a program that passes one of them does not pass by solving the problem.
The false value is of the same kind and, where that can be, unlike any other in the problem, so that a program cannot
tell a canary from the original by reading its own source, unless it knows the right answers.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence

from evalharness.sandbox.languages import Tests

DRAW = random.SystemRandom()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TRIES = 20


def with_token(tests: str, form: Tests, token: str) -> str:
    """The tests with the statement that prints the token after the last of them.

    Raises ValueError where no test is found: such tests cannot be judged.
    """
    return _insert(tests, form, form.end.replace("{token}", token))


def canaries(tests: str, form: Tests, token: str) -> Iterator[str]:
    """The tests, one made false at a time, each with the statement that prints the token."""
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
    places = [match.end() for match in re.finditer(form.end_after or form.line, tests)]
    if not places:
        raise ValueError("no test in the form of this language was found")
    return f"{tests[: places[-1]]}\n{statement}{tests[places[-1] :]}"


def other_value(value: str, values: Sequence[str] = ()) -> str | None:
    """A value of the same type that no language takes for equal; None if none can be made."""
    known = {_normal(each) for each in values}
    for pattern, change in CHANGES:
        places = list(re.finditer(pattern, value))
        for _ in range(TRIES if places else 0):
            found = DRAW.choice(places)
            changed = value[: found.start()] + change(found) + value[found.end() :]
            if pattern is TRUTH or _normal(changed) not in known:
                return changed
    return next((other for other in values if _normal(other) != _normal(value)), None)


def _other_truth(found: re.Match[str]) -> str:
    """The other truth value, as the language writes it."""
    old = found[0]
    new = "false" if old.lower() in ("true", "#t") else "true"
    if old.startswith("#"):
        return f"#{new[0]}"
    return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new


def _other_letter(found: re.Match[str]) -> str:
    return DRAW.choice(LETTERS.replace(found[0].lower(), ""))


TRUTH = r"(?i)(?<!\w)(?:true|false)(?!\w)|#[tf](?!\w)"
NUMBER = r"(?<![\w.])\d{1,15}(?!\w*\()"
LETTER_OF_A_TEXT = r"(?<=[\"'])[a-zA-Z](?=[a-zA-Z ]*[\"'])"
CHANGES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (TRUTH, _other_truth),
    (NUMBER, lambda found: str(int(found[0]) + DRAW.randint(1, 9))),
    (LETTER_OF_A_TEXT, _other_letter),
)
"""What is looked for in a value, and what is put in its place."""


def _normal(value: str) -> str:
    """The value without what some language overlooks: spaces, quotes, brackets, small differences, a kind of truth."""
    text = re.sub(r"""[\s()"']""", "", value.lower())
    text = re.sub(r"\btrue\b|#t\b", "1", re.sub(r"\bfalse\b|#f\b", "0", text))
    return re.sub(r"\d+(\.\d+)?", lambda found: f"{float(found[0]):.6g}", text)
