"""The programs that the sandbox runs for samples: one dataclass per kind of program and tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Limits:
    """Time and memory limits of a program in the sandbox. Its waiting time for a free CPU core does not count."""

    time_s: float
    memory_mb: int = 4096


@dataclass(frozen=True)
class ProcessRules:
    """Settings of a Python program's process that reproduce the official grader's process.

    They are restrictions (forbidden operations), stack depth and memory.
    """

    guard: str = ""
    """The official grader whose restrictions apply (sandbox/agent/sample/guards.py); empty for none."""
    stack_depth: int | None = None
    """The stack frames that the official grader has below the program; None leaves Python's recursion limit
    unchanged.
    """
    address_space_mb: int | None = None
    """The limit of the address space; None for the memory limit."""

    @classmethod
    def from_card_rules(cls, rules: Mapping[str, Any]) -> "ProcessRules":
        """Returns the process rules that a task card (the YAML file of a task) has under `rules`."""
        return cls(rules.get("guard", ""), rules.get("stack_depth"), rules.get("address_space_mb"))


@dataclass(frozen=True)
class EvalPlusCallRules:
    """How EvalPlus limits the time of each call of the tested function, and compares the return values."""

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
class ReferenceSolution:
    """A problem's reference solution with the test inputs, to compute the expected outputs.

    The sandbox runs the solution once and caches its outputs. Instances compare by identity: a task makes one instance
    per problem, and all programs of the problem share it.
    """

    source: str
    entry_point: str
    groups: Mapping[str, bytes]
    """Input groups by name, each a list of argument lists encoded by `sandbox.agent.shared.wire.dumps`."""
    output_not_none: bool = False
    """Whether to record only if each output is None, because EvalPlus compares no more for this problem."""


@dataclass(frozen=True)
class Checks:
    """The test code of a problem, which is appended to a sample's program and decides whether the sample passes."""

    text: str
    trusted: str = ""
    """Python only: the definitions that `text` needs besides `entry_point`, to run `text` in its own process."""
    entry_point: str = ""
    stem: str = ""
    """The part of the source that came with the problem; it is not searched for attempts to tamper with the tests."""


@dataclass(frozen=True)
class EncodedTestCases:
    """The test cases of a LiveCodeBench problem, still encoded as in the data file; decoded in the sandbox."""

    public: str
    private: str = ""
    function: str = ""
    """The function that is called with a case's arguments; empty for a program that reads stdin and prints."""


@dataclass(frozen=True)
class ExecProgram:
    """A Python program and its test code, run in one namespace. It passes if neither raises an exception."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules = ProcessRules()
    checks: Checks | None = None
    found_by: str = ""
    """How the source was found in an answer, such as "fenced block 2 of 2"; empty where it was not searched for."""


@dataclass(frozen=True)
class CallsProgram:
    """A Python function that is called with EvalPlus's inputs; its outputs must equal the reference solution's."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    calls: EvalPlusCallRules
    reference: ReferenceSolution
    found_by: str = ""


@dataclass(frozen=True)
class CasesProgram:
    """A Python program that is run on each test case (stdin, or a function's arguments), as in LiveCodeBench."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    cases: EncodedTestCases
    found_by: str = ""


@dataclass(frozen=True)
class UnitTestProgram:
    """A Python program whose test code defines a `unittest` class named TestCases, as in BigCodeBench."""

    image: str
    source: str
    limits: Limits
    rules: ProcessRules
    checks: Checks
    found_by: str = ""


@dataclass(frozen=True)
class CommandProgram:
    """A program and its test code in any language; commands in `sandboxes/*/language.yaml` compile and run it.

    Each command has its own time limit in that file; `limits.time_s` is the sum of these limits, for information.
    """

    image: str
    source: str
    limits: Limits
    checks: Checks | None = None
    found_by: str = ""


Program = ExecProgram | CallsProgram | CasesProgram | UnitTestProgram | CommandProgram
"""What the sandbox runs for a sample."""
