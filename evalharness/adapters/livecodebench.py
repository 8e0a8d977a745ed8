"""LiveCodeBench, code generation: problems of programming contests, by the date of the contest.

Official grader: LiveCodeBench/LiveCodeBench, lcb_runner/evaluation/compute_code_generation_metrics.py
`check_correctness`, lcb_runner/evaluation/testing_util.py `run_test`; prompts: lcb_runner/prompts/code_generation.py.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.adapters.context import TaskContext
from evalharness.adapters.prompting import build_prompt, solution
from evalharness.adapters.verdicts import verdict_of
from evalharness.data.cards import fill
from evalharness.errors import UserError
from evalharness.records import Cases, CasesProgram, Completion, Execution, Problem, Prompt, Verdict

METHOD = re.compile(r"^\s*def\s+(\w+)\s*\(\s*self\b", re.MULTILINE)


class LiveCodeBench:
    """Task `livecodebench`."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """All problems of the release and the window, by id."""
        return [
            Problem(
                task_id=record["task_id"],
                prompt=self._prompt(record),
                record=record,
                reference=record.get("reference_solution"),
                entry_point=function_of(record),
                facets=facets_of(record),
            )
            for record in self.context.records
        ]

    def _prompt(self, record: Mapping[str, Any]) -> Prompt:
        """The recipe's prompt. Its `{task}` is the field `with_starter` or `without_starter`, as the problem has it."""
        starter = record["starter_code"]
        values = {"question": record["question_content"], "starter": starter}
        task = self.context.recipe.fields["with_starter" if starter else "without_starter"]
        return build_prompt(self.context.recipe, {**values, "task": fill(str(task), values)})

    def program(self, problem: Problem, completion: Completion) -> CasesProgram:
        """The solution, and the test cases as the record has them."""
        record = problem.record
        return CasesProgram(
            image=self.context.image,
            source=solution(problem, completion, self.context.recipe),
            limits=self.context.limits,
            rules=self.context.process_rules,
            cases=Cases(record["public_test_cases"], record.get("private_test_cases", ""), problem.entry_point),
        )

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if every test case was answered rightly."""
        return verdict_of(completion, execution)


def function_of(record: Mapping[str, Any]) -> str:
    """The method that the test cases call; empty for a program that reads and prints.

    Where the data come without metadata, it is the one method of the starter code. Raises UserError for neither.
    """
    if "metadata" in record:
        try:
            return str(json.loads(record["metadata"]).get("func_name") or "")
        except (ValueError, AttributeError):
            raise UserError(
                f"the metadata of problem {record['task_id']} are no JSON object; replace the data"
            ) from None
    if not record["starter_code"]:
        return ""
    methods: list[str] = METHOD.findall(record["starter_code"])
    if len(methods) != 1:
        raise UserError(f"problem {record['task_id']} has no metadata, and {len(methods)} methods; use another version")
    return methods[0]


def facets_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Month of the contest, difficulty and platform, so far as the data tell."""
    months = {"month": record["contest_date"][:7]} if "contest_date" in record else {}
    return months | {name: record[name] for name in ("difficulty", "platform") if name in record}
