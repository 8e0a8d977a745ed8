"""The data types that pass through a run, as frozen dataclasses, and the protocols of tasks, backends and sandboxes.

Task --problems--> Prompt --Backend--> Completion --Task--> Program --Sandbox--> Execution --Task--> Verdict
"""

from evalharness.records.completions import (
    Completion,
    DraftCounts,
    RejectedDraft,
    Sampling,
    Trace,
)
from evalharness.records.programs import (
    CallRules,
    CallsProgram,
    Cases,
    CasesProgram,
    Checks,
    CommandProgram,
    ExecProgram,
    Limits,
    ProcessRules,
    Program,
    Reference,
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
    "CallRules",
    "CallsProgram",
    "Cases",
    "CasesProgram",
    "Checks",
    "CommandProgram",
    "Completion",
    "DraftCounts",
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
    "Reference",
    "RejectedDraft",
    "Request",
    "Sampling",
    "Sandbox",
    "Status",
    "SupportsPromptCheck",
    "Task",
    "Trace",
    "UnitTestProgram",
    "Verdict",
    "find_prompt_check",
]
