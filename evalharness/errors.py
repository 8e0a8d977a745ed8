"""The failures that are not a verdict about a candidate.

A candidate's failure is a `Verdict`. What remains is either the user's to change (`UserError`) or the machine's
(`InfrastructureError`); the two are never mixed, and neither is ever counted as a wrong answer.
"""


class UserError(Exception):
    """The user must change something. The message is one line: what is wrong and what to do. Exit code 2."""


class InfrastructureError(Exception):
    """The harness or its machine failed on one piece of work, which may be tried again elsewhere."""


class NoSample(UserError):
    """A task that has no bundled sample problems was asked for by them."""
