"""EvalPlus: HumanEval+ and MBPP+, judged by what the reference solution returns on many inputs.

Official grader: evalplus/evalplus, evalplus/evaluate.py `check_correctness`, evalplus/eval/__init__.py
`untrusted_check`, `unsafe_execute`. The inputs' contracts are not run there, and so not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalharness.adapters.context import TaskContext
from evalharness.adapters.mbpp_inputs import restore_inputs
from evalharness.adapters.prompting import build_prompt, solution
from evalharness.adapters.verdicts import verdict_of
from evalharness.records import CallRules, CallsProgram, Completion, Execution, Problem, Reference, Verdict
from evalharness.sandbox.agent.wire import dumps


class EvalPlus:
    """Tasks `humaneval-plus` and `mbpp-plus`."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._references: dict[str, Reference] = {}
        self._oracles = {
            entry_point: oracle for oracle, names in context.rules["oracles"].items() for entry_point in names
        }
        keep = ("edition", "min_time_s", "time_factor", "max_time_s")
        self._rules = {name: context.rules[name] for name in keep}

    def problems(self) -> Sequence[Problem]:
        """All problems, by number."""
        extra = tuple(self.context.rules.get("extra_stops", ())) if self.context.recipe.kind == "completion" else ()
        return [
            Problem(
                task_id=record["task_id"],
                prompt=build_prompt(self.context.recipe, {"prompt": record["prompt"].strip()}, extra),
                record=record,
                reference=record["prompt"] + record["canonical_solution"],
                entry_point=record["entry_point"],
                prefix=record["prompt"],
            )
            for record in self.context.records
        ]

    def program(self, problem: Problem, completion: Completion) -> CallsProgram:
        """The solution, called on the base and the plus inputs in a process each."""
        return CallsProgram(
            image=self.context.image,
            source=solution(problem, completion, self.context.recipe),
            limits=self.context.limits,
            rules=self.context.process_rules,
            calls=CallRules(**self._rules, oracle=self._oracle(problem), atol=problem.record["atol"]),
            reference=self._reference(problem),
        )

    def _oracle(self, problem: Problem) -> str:
        return str(self._oracles.get(problem.entry_point, ""))

    def _reference(self, problem: Problem) -> Reference:
        if problem.task_id not in self._references:
            record = problem.record
            self._references[problem.task_id] = Reference(
                source=problem.reference or "",
                entry_point=problem.entry_point,
                groups={"base": self._inputs(record, "base_input"), "plus": self._inputs(record, "plus_input")},
                output_not_none=self._oracle(problem) == "not_none",
            )
        return self._references[problem.task_id]

    def _inputs(self, record: Mapping[str, Any], field: str) -> bytes:
        inputs: list[Any] = record[field]
        if self.context.entry.name == "mbpp-plus" and not self.context.sample:
            inputs = restore_inputs(record["task_id"], inputs)
        return dumps(inputs)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if base and plus passed; `base_passed` tells of the base alone."""
        base = execution.parts.get("base")
        verdict = verdict_of(completion, execution)
        return replace(verdict, base_passed=base.status == "passed" if base else None)
