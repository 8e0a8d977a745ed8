"""The exceptions for failures that are not verdicts: mistakes of the user, and failures of the harness.

A failure of a sample is a `Verdict`. Other failures are caused either by the user's input (`UserError`) or by the
harness or its machine (`InfrastructureError`). Neither counts as a wrong answer.
"""


class UserError(Exception):
    """Raised for a mistake in the user's input; the message is one line: what is wrong and what to do. Exit code 2."""


class InfrastructureError(Exception):
    """Raised if the harness or its machine fails, such as for a lost container; a retry may succeed. Exit code 1."""


class NoBundledSample(UserError):
    """Raised for `--data sample` if the package contains no sample data of the task."""
