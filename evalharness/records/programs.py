"""What the sandbox runs for a sample: one dataclass per kind of program."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Limits:
    """What a program may use. `time_s` does not count waiting for a free core (sandbox/agent/shared/clock.py)."""

    time_s: float
    memory_mb: int = 4096


@dataclass(frozen=True)
class ProcessRules:
    """How the process of a Python program is prepared, so that it runs as under the official grader."""

    guard: str = ""
    """The official grader whose restrictions apply (sandbox/agent/sample/guard.py); empty for none."""
    stack_depth: int | None = None
    """The stack frames that the official grader has below the program; None leaves Python's recursion limit alone."""
    address_space_mb: int | None = None
    """The limit of the address space; None for the memory limit."""

    @classmethod
    def of(cls, rules: Mapping[str, Any]) -> "ProcessRules":
        """Returns the rules of a task card that concern the process."""
        return cls(rules.get("guard", ""), rules.get("stack_depth"), rules.get("address_space_mb"))


@dataclass(frozen=True)
class CallRules:
    """How EvalPlus limits the calls of an entry point and compares what they return."""

    edition: Literal["0.2", "0.3"]
    """The release of EvalPlus whose comparison applies."""
    min_time_s: float
    """The least time limit of a call."""
    time_factor: float
    """The time limit of a call is this many times the reference solution's time, but at least `min_time_s`."""
    max_time_s: float
    """The time limit of all calls together."""
    oracle: str = ""
    """The comparison that EvalPlus makes for this entry point alone (sandbox/agent/judge/comparing/comparison.py)."""
    atol: float = 0.0
    """The absolute tolerance; 0 compares exactly, except where floats are expected."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A trusted program that produces the expected outputs. It runs once in the sandbox; the outputs are cached.

    Compared by identity: a task makes one reference per problem and shares it between the problem's programs.
    """

    source: str
    entry_point: str
    groups: Mapping[str, bytes]
    """Input groups by name, each a list of argument lists encoded by `sandbox.agent.shared.wire.dumps`."""
    output_not_none: bool = False
    """Keep only whether each output is not None."""


@dataclass(frozen=True)
class Checks:
    """Text that follows a program's source on a new line and decides whether the program is right."""

    text: str
    trusted: str = ""
    """Python only: the definitions that `text` needs besides `entry_point`, to run `text` in its own process."""
    entry_point: str = ""
    stem: str = ""
    """The part of the source that came with the problem. It never makes a sample suspicious."""


@dataclass(frozen=True)
class Cases:
    """Test cases in the fields of LiveCodeBench's records, undecoded: the judge in the sandbox reads them."""

    public: str
    private: str = ""
    function: str = ""
    """The function that is called with a case's arguments; empty for a program that reads stdin and prints."""


@dataclass(frozen=True)
class ExecProgram:
    """Python source and checks that run in one namespace. It passes if they reach their end without an exception."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules = ProcessRules()
    checks: Checks | None = None
    found_by: str = ""
    """How the source was found in an answer, such as "fenced block 2 of 2"; empty where it was not searched for."""


@dataclass(frozen=True)
class CallsProgram:
    """Python source whose entry point is called on the reference's inputs. The outputs are compared in the judge."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    calls: CallRules
    reference: Reference
    found_by: str = ""


@dataclass(frozen=True)
class CasesProgram:
    """Python source that answers test cases one by one, as under LiveCodeBench's grader."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    cases: Cases
    found_by: str = ""


@dataclass(frozen=True)
class UnitTestProgram:
    """Python source with checks that define a `unittest` class named TestCases."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    checks: Checks
    found_by: str = ""


@dataclass(frozen=True)
class CommandProgram:
    """Source and checks that the commands of the image's language compile and run (`sandboxes/*/language.yaml`).

    The language's steps set the time limits; `limits.time_s` is their sum, for information.
    """

    image: str
    source: str
    limits: Limits
    checks: Checks | None = None
    found_by: str = ""


Program = ExecProgram | CallsProgram | CasesProgram | UnitTestProgram | CommandProgram
"""What the sandbox runs for a sample."""
