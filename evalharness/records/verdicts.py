"""The result of running a program in the sandbox, and the verdict on a sample."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from evalharness.records.prompts import Key

Status = Literal["passed", "failed", "timeout", "memory", "error", "tampered", "too_large", "infrastructure"]
"""How a program or a sample ended.

failed: a test fails or an output is wrong. error: the program does not compile, raises an exception other than a failed
assertion, or is killed. tampered: it changes its tests or exits before they end. too_large: the answer
or the program is larger than the limit, or too expensive to parse. infrastructure: the harness failed, so that there is
no judgement.
"""
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Outcome:
    """The result of one part of a program's execution, such as one group of test inputs.

    Each part runs in its own process.
    """

    status: Status
    detail: str = ""
    """The error message or the first difference; empty for a pass."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    """Peak memory use, in MB."""
    waited_s: float = 0.0
    """Seconds that its threads spent waiting for a free core."""


@dataclass(frozen=True)
class Execution:
    """The result of running a program in the sandbox: the outcome of each part of the tests, by the part's name.

    Parts are in the order of running. The parts after a failed part have not run and are absent.
    """

    parts: Mapping[str, Outcome] = field(default_factory=dict)
    infrastructure: str = ""
    """Why the harness could not run the program; empty if it could."""
    borderline: str = ""
    """Why another execution might end differently, such as a time near the limit; empty for nearly all programs."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a sample: whether it passes, and why not. Stored as a line of `verdicts.jsonl`."""

    task_id: str
    sample_id: int
    passed: bool
    status: Status
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    detail: str = ""
    """The error message or the first difference; empty for a pass."""
    borderline: str | None = None
    """Why another grading might have another result; absent for nearly all samples."""
    base_passed: bool | None = None
    """EvalPlus only: whether the original benchmark's tests pass."""
    extraction: str | None = None
    """How the program was found in the answer, such as "fenced block 2 of 2"; absent where it was not searched for."""

    @property
    def key(self) -> Key:
        """The identity of the judged sample: (task_id, sample_id)."""
        return (self.task_id, self.sample_id)
