"""HumanEval-Infilling: restore a line, several lines or a span of a Python function; HumanEval's tests decide.

Data and official grader: openai/human-eval-infilling (paper: arXiv 2207.14255), human_eval_infilling/execution.py
`check_correctness`, `unsafe_execute`.
"""

from collections.abc import Sequence
from typing import TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.infilling import infilled_program
from evalharness.adapters.prompts import build_infilling_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict


class InfillingRecord(TypedDict):
    """One problem of HumanEval-Infilling: the fields of a record in the official data files."""

    task_id: str
    entry_point: str
    prompt: str
    """The prefix."""
    suffix: str
    canonical_solution: str
    """The reference's middle."""
    test: str
    """Defines `check(candidate)`."""


class HumanEvalInfilling:
    """The adapter of `fim-single-line`, `fim-multi-line`, `fim-random-span` and `fim-random-span-light`.

    It makes the tasks' prompts, sandbox programs and verdicts. Verdicts follow the official
    human_eval_infilling/execution.py `check_correctness`.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems, ordered by the numbers in their task_id."""
        return [self._make_problem(cast(InfillingRecord, record)) for record in self.context.records]

    def _make_problem(self, record: InfillingRecord) -> Problem:
        prefix, middle, suffix = record["prompt"], record["canonical_solution"], record["suffix"]
        return Problem(
            task_id=record["task_id"],
            prompt=build_infilling_prompt(self.context.recipe, prefix, suffix, middle),
            record=record,
            reference=prefix + middle + suffix,
            entry_point=record["entry_point"],
            prefix=prefix,
            suffix=suffix,
        )

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        """Returns what the sandbox runs for a completion: the infilled function, the tests and a call of `check`."""
        code = infilled_program(problem, completion, self.context.recipe)
        tests = f"{problem.record['test']}\ncheck({problem.entry_point})"
        checks = Checks(tests, trusted=problem.reference or "", entry_point=problem.entry_point)
        return ExecProgram(self.context.image, code, self.context.limits, self.context.process_rules, checks)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if program and tests ran to their end within the limits."""
        return verdict_of(completion, execution)
