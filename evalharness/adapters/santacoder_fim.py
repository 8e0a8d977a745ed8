"""SantaCoder-FIM: restore the line that was removed from a function, by exact match. No program runs.

Data: bigcode/santacoder-fim-task (paper: arXiv 2301.03988). Official grader: bigcode-project/
bigcode-evaluation-harness, bigcode_eval/tasks/santacoder_fim.py `process_results`.
"""

from collections.abc import Sequence
from typing import TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.infilling import extract_middle
from evalharness.adapters.prompts import build_infilling_prompt
from evalharness.records import Completion, Execution, Problem, Verdict


class SantaCoderRecord(TypedDict):
    """One problem of SantaCoder-FIM: the fields of a record in the official data set.

    `task_id` is a copy of the record's `name`.
    """

    task_id: str
    language: str
    prompt: str
    """The prefix."""
    suffix: str
    canonical_solution: str
    """The removed line."""


class SantaCoderFim:
    """The adapter of `santacoder-fim-py`, `santacoder-fim-js` and `santacoder-fim-java`: prompts and verdicts.

    Verdicts follow the official bigcode_eval/tasks/santacoder_fim.py `process_results`.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        problems = (self._make_problem(cast(SantaCoderRecord, record)) for record in context.records)
        self._problems = {problem.task_id: problem for problem in problems}

    def _make_problem(self, record: SantaCoderRecord) -> Problem:
        prefix, middle, suffix = record["prompt"], record["canonical_solution"], record["suffix"]
        return Problem(
            task_id=record["task_id"],
            prompt=build_infilling_prompt(self.context.recipe, prefix, suffix, middle),
            record=record,
            reference=prefix + middle + suffix,
            prefix=prefix,
            suffix=suffix,
        )

    def problems(self) -> Sequence[Problem]:
        """Returns the problems of the task's programming language, ordered by task_id."""
        return list(self._problems.values())

    def program(self, problem: Problem, completion: Completion) -> None:
        """Returns None: no program runs, because `verdict` compares the completion with the reference as text."""

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict: passed if the middle equals the removed line, ignoring white space at both ends."""
        problem = self._problems[completion.task_id]
        middle = extract_middle(problem, completion, self.context.recipe)
        passed = middle is not None and middle.strip() == problem.record["canonical_solution"].strip()
        failure = (
            "the program does not begin with the problem's prefix and end with its suffix"
            if middle is None
            else "the middle differs from the removed line"
        )
        return Verdict(
            *completion.key,
            passed=passed,
            status="passed" if passed else "failed",
            detail="" if passed else failure,
        )
