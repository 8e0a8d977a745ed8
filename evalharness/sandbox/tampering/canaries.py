"""Canaries: copies of a program's tests with one test made false, which an honest program must fail.

`with_token` adds a statement after the last test that prints a secret token. `canaries` yields the tests with one made
false at a time: a program that passes one of them does not pass by solving the problem. A false value is like the
problem's own right ones (false_values.py), so that a program that reads its own source cannot tell a canary from the
original without knowing the right answers.
"""

import re
from collections.abc import Iterator

from evalharness.sandbox.languages import FormOfTests
from evalharness.sandbox.tampering.false_values import other_value


def with_token(tests: str, form: FormOfTests, token: str) -> str:
    """Returns the tests with a statement after the last one that prints a secret token.

    A program proves by the token that it reached the end of its tests. Raises ValueError if no test is found.
    """
    return _insert_statement(tests, form, form.end.replace("{token}", token))


def canaries(tests: str, form: FormOfTests, token: str) -> Iterator[str]:
    """Yields copies of the tests with one test made false in each.

    All copies have a statement after the last test that prints the secret `token`.
    """
    matches = list(re.finditer(form.line, tests))
    values = [match["expected"] for match in matches]
    for match in matches:
        other = other_value(match["expected"], values)
        if other is None:
            yield _insert_statement(with_token(tests, form, token), form, form.fails)
        else:
            start, end = match.span("expected")
            yield with_token(tests[:start] + other + tests[end:], form, token)


def _insert_statement(tests: str, form: FormOfTests, statement: str) -> str:
    ends = [match.end() for match in re.finditer(form.end_after or form.line, tests)]
    if not ends:
        raise ValueError("the program contains no test in the form that language.yaml describes")
    return f"{tests[: ends[-1]]}\n{statement}{tests[ends[-1] :]}"
