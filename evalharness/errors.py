"""The exceptions for failures that are not verdicts: mistakes of the user, and failures of the harness.

A failure of a sample is a `Verdict`. Other failures are caused either by the user's input (`UserError`) or by the
harness or its machine (`InfrastructureError`). Neither counts as a wrong answer.
"""


class UserError(Exception):
    """Raised for a mistake in the user's input; the process exits with code 2.

    The message is one line that says what is wrong and what to do.
    """


class InfrastructureError(Exception):
    """Raised if the harness or its machine fails, for example if a container is lost; the process exits with code 1.

    A retry may succeed.
    """


class NoBundledDataSample(UserError):
    """Raised for `--data sample` if the package contains no data sample (a few problems) of the task."""
