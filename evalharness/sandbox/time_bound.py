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
from evalharness.sandbox.languages import languages

DEFAULT_FACTOR = 10.0
"""The default bound of a sample's total time, as a multiple of its time limit."""


class TotalTimeExceeded(InfrastructureError):
    """Raised when a sample has used up its total time, which is a timeout: it is not run in another container."""


class TimeBound:
    """The time budget for all runs of a sample together: `factor` times the time limit of one run, `limit_s` seconds.

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
        """Returns the used seconds of the budget."""
        return self._used + (time.monotonic() - self._started if self._started else 0.0)

    def remaining_s(self) -> float:
        """Returns the remaining seconds of the budget. Raises TotalTimeExceeded if none remain."""
        left = self.factor * self.limit_s - self.used_s()
        if left <= 0:
            raise TotalTimeExceeded(
                f"the total time of {self.factor * self.limit_s:g} s for the sample's runs is used up"
            )
        return left

    def timeout_outcome(self) -> Outcome:
        """Returns the outcome `timeout` for a sample that has used up its time budget."""
        detail = f"all runs of the sample together exceeded {self.factor:g} times its time limit of {self.limit_s:g} s"
        return Outcome("timeout", detail, wall_s=self.used_s())


def time_limit_of(program: Program) -> float:
    """Returns the time limit of one run of a program in seconds, as far as the host knows it.

    For LiveCodeBench programs the agent announces the limit, because only the agent reads the test cases.
    """
    match program:
        case ExecProgram() | UnitTestProgram() | CasesProgram():
            return program.limits.time_s
        case CallsProgram():
            return (program.calls.max_time_s + 1) * len(program.reference.groups)
        case CommandProgram():
            language = languages().get(program.image)
            return sum(step.time_s for step in language.steps) if language else program.limits.time_s
