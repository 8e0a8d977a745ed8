"""The bound of a sample's total time: all of its runs, those with false tests and after a timeout included."""

import time

from evalharness.errors import InfrastructureError
from evalharness.records import (
    CallsProgram,
    CasesProgram,
    CommandProgram,
    ExecProgram,
    Outcome,
    Program,
    UnitTestProgram,
)
from evalharness.sandbox.languages import languages_by_image

DEFAULT_FACTOR = 10.0
"""The default bound of a sample's total time, as a multiple of its time limit."""


class TotalTimeExceeded(InfrastructureError):
    """Raised when the runs of a sample together have used up its time: the sample times out and does not run again."""


class TimeBound:
    """The time budget for all runs of a sample together: `factor` times `limit_s`, the seconds that one run may take.

    When it is used up, the sandbox ends the sample's container, so nothing that the sample does can extend it.
    """

    def __init__(self, limit_s: float, factor: float = DEFAULT_FACTOR):
        self.limit_s, self.factor = limit_s, factor
        self._used, self._started = 0.0, 0.0

    def start(self) -> None:
        """Starts or resumes counting time."""
        self._started = time.monotonic()

    def stop(self) -> None:
        """Pauses counting time until `start` is called again, so that waiting for a container does not count."""
        self._used, self._started = self.used_s(), 0.0

    def used_s(self) -> float:
        """Returns how many seconds of the budget have been used."""
        return self._used + (time.monotonic() - self._started if self._started else 0.0)

    def remaining_s(self) -> float:
        """Returns the remaining seconds of the budget. Raises TotalTimeExceeded if none remain."""
        left = self.factor * self.limit_s - self.used_s()
        if left <= 0:
            raise TotalTimeExceeded(
                f"the runs of the sample together have used up their time of {self.factor * self.limit_s:g} s"
            )
        return left

    def timeout_outcome(self) -> Outcome:
        """Returns the outcome `timeout` for a sample that has used up its time budget."""
        detail = f"all runs of the sample together exceeded {self.factor:g} times its time limit of {self.limit_s:g} s"
        return Outcome("timeout", detail, wall_s=self.used_s())


def run_time_limit_s(program: Program) -> float:
    """Returns the time limit of one run of a program, in seconds.

    For LiveCodeBench programs it is that of one test case. The sandbox agent, which reads the test cases, later sends
    the limit for all of them.
    """
    match program:
        case ExecProgram() | UnitTestProgram() | CasesProgram():
            return program.limits.time_s
        case CallsProgram():
            return (program.calls.max_time_s + 1) * len(program.reference.groups)
        case CommandProgram():
            language = languages_by_image().get(program.image)
            return sum(step.time_s for step in language.steps) if language else program.limits.time_s
