"""EvalPlus (HumanEval+, MBPP+): a solution's outputs on many inputs are compared with the reference solution's.

Data and official grader: evalplus/evalplus (paper: arXiv 2305.01210), evalplus/evaluate.py `check_correctness`,
evalplus/eval/__init__.py `untrusted_check`, `unsafe_execute`. Like the official grader, this one does not check the
inputs against the problems' contracts.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_location
from evalharness.adapters.mbpp_plus_inputs import restore_input_types
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.records import (
    CallsProgram,
    Completion,
    EvalPlusCallRules,
    Execution,
    Problem,
    ReferenceSolution,
    Verdict,
)
from evalharness.sandbox.agent.shared.wire import dumps

CALL_RULES = ("edition", "min_time_s", "time_factor", "max_time_s")
"""The rules of the task card that become `EvalPlusCallRules`."""


class EvalPlusRecord(TypedDict):
    """One problem of HumanEval+ or MBPP+: the fields of a record in EvalPlus's release files."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    """The reference's text after the prompt."""
    base_input: list[Any]
    """Argument lists of the original benchmark's tests."""
    plus_input: list[Any]
    """Argument lists that EvalPlus added."""
    atol: float
    """The absolute tolerance for floats."""


class EvalPlus:
    """The adapter of the tasks `humaneval-plus` and `mbpp-plus`: their prompts, sandbox programs and verdicts.

    Verdicts follow the official evalplus/evaluate.py `check_correctness`.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._references: dict[str, ReferenceSolution] = {}
        self._oracles = {
            entry_point: oracle
            for oracle, entry_points in context.rules["oracles"].items()
            for entry_point in entry_points
        }
        self._call_rules = {name: context.rules[name] for name in CALL_RULES}

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems, ordered by the number in their task_id."""
        is_completion = self.context.recipe.kind == "completion"
        extra_stops = tuple(self.context.rules.get("extra_stops", ())) if is_completion else ()
        return [
            Problem(
                task_id=record["task_id"],
                prompt=build_prompt(self.context.recipe, {"prompt": record["prompt"].strip()}, extra_stops),
                record=record,
                reference=record["prompt"] + record["canonical_solution"],
                entry_point=record["entry_point"],
                prefix=record["prompt"],
            )
            for record in cast(Sequence[EvalPlusRecord], self.context.records)
        ]

    def program(self, problem: Problem, completion: Completion) -> CallsProgram:
        """Returns what the sandbox runs for a completion: the extracted function, and the inputs to call it with.

        The base inputs are those of the original benchmark; the plus inputs are those that EvalPlus added.
        """
        extracted = extract_program_and_location(problem, completion, self.context.recipe)
        return CallsProgram(
            image=self.context.image,
            source=extracted.source,
            limits=self.context.limits,
            rules=self.context.process_rules,
            calls=EvalPlusCallRules(
                **self._call_rules, oracle=self._comparison_rule_name(problem), atol=problem.record["atol"]
            ),
            reference=self._reference_solution(problem),
            found_by=extracted.location,
        )

    def _comparison_rule_name(self, problem: Problem) -> str:
        """Returns the name of EvalPlus's special rule for comparing a problem's outputs; "" for the usual rule."""
        return str(self._oracles.get(problem.entry_point, ""))

    def _reference_solution(self, problem: Problem) -> ReferenceSolution:
        """Returns a problem's reference solution with the base and plus inputs.

        All calls for a problem return the same object, so that the sandbox computes the expected outputs once.
        """
        if problem.task_id not in self._references:
            record = cast(EvalPlusRecord, problem.record)
            self._references[problem.task_id] = ReferenceSolution(
                source=problem.reference or "",
                entry_point=problem.entry_point,
                groups={
                    "base": self._serialize_inputs(record, record["base_input"]),
                    "plus": self._serialize_inputs(record, record["plus_input"]),
                },
                output_not_none=self._comparison_rule_name(problem) == "not_none",
            )
        return self._references[problem.task_id]

    def _serialize_inputs(self, record: EvalPlusRecord, inputs: list[Any]) -> bytes:
        if self.context.entry.name == "mbpp-plus" and not self.context.is_sample:
            inputs = restore_input_types(record["task_id"], inputs)
        return dumps(inputs)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if the outputs are right for all base and plus inputs.

        Its field `base_passed` is the result for the base inputs alone (the original benchmark's tests).
        """
        base = execution.parts.get("base")
        verdict = verdict_of(completion, execution)
        return replace(verdict, base_passed=base.status == "passed" if base else None)
