"""The data types that pass through a run, as frozen dataclasses, and the protocols of tasks, backends and sandboxes.

Task --problems--> Prompt --Backend--> Completion --Task--> Program --Sandbox--> Execution --Task--> Verdict
"""

from evalharness.records.completions import (
    Completion,
    DecodingTrace,
    DraftCounts,
    RejectedDraft,
    Sampling,
)
from evalharness.records.programs import (
    CallsProgram,
    CasesProgram,
    Checks,
    CommandProgram,
    EncodedTestCases,
    EvalPlusCallRules,
    ExecProgram,
    Limits,
    ProcessRules,
    Program,
    ReferenceSolution,
    UnitTestProgram,
)
from evalharness.records.prompts import (
    Key,
    Message,
    MiddleLength,
    MiddleLengthOracle,
    Problem,
    Prompt,
    Request,
)
from evalharness.records.protocols import (
    AdjustsOptions,
    Backend,
    KnowsChat,
    Sandbox,
    SupportsPromptCheck,
    Task,
    find_prompt_check,
)
from evalharness.records.verdicts import (
    STATUSES,
    Execution,
    Outcome,
    Status,
    Verdict,
)

__all__ = [
    "STATUSES",
    "AdjustsOptions",
    "Backend",
    "CallsProgram",
    "CasesProgram",
    "Checks",
    "CommandProgram",
    "Completion",
    "DecodingTrace",
    "DraftCounts",
    "EncodedTestCases",
    "EvalPlusCallRules",
    "ExecProgram",
    "Execution",
    "Key",
    "KnowsChat",
    "Limits",
    "Message",
    "MiddleLength",
    "MiddleLengthOracle",
    "Outcome",
    "Problem",
    "ProcessRules",
    "Program",
    "Prompt",
    "ReferenceSolution",
    "RejectedDraft",
    "Request",
    "Sampling",
    "Sandbox",
    "Status",
    "SupportsPromptCheck",
    "Task",
    "UnitTestProgram",
    "Verdict",
    "find_prompt_check",
]

FORMER_NAMES = {
    "CallRules": "EvalPlusCallRules",
    "Cases": "EncodedTestCases",
    "Oracle": "MiddleLengthOracle",
    "Reference": "ReferenceSolution",
    "Trace": "DecodingTrace",
}
"""Names of version 0.2, under which plug-ins may import these classes until version 0.4."""


def __getattr__(name: str) -> object:
    if name not in FORMER_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals()[FORMER_NAMES[name]]
