"""The failures that are not verdicts.

A failure of a sample is a `Verdict`. Other failures are caused either by the user's input (`UserError`) or by the
harness or its machine (`InfrastructureError`). Neither counts as a wrong answer.
"""


class UserError(Exception):
    """The user must change something. The message is one line: what is wrong and what to do. The exit code is 2."""


class InfrastructureError(Exception):
    """The harness or its machine failed on a piece of work, which may be retried, also on another machine."""


class NoBundledSample(UserError):
    """`--data sample` is used with a task that has no bundled sample."""
