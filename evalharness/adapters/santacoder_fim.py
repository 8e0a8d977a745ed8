"""SantaCoder's fill-in-the-middle task: put back the very line that was taken out of a function. Nothing is run.

Official grader: bigcode-project/bigcode-evaluation-harness, bigcode_eval/tasks/santacoder_fim.py `process_results`.
"""

from collections.abc import Sequence

from evalharness.adapters.context import TaskContext
from evalharness.adapters.infilling import infill_prompt, middle_of
from evalharness.records import Completion, Execution, Problem, Verdict


class SantaCoderFim:
    """Tasks `santacoder-fim-py`, `santacoder-fim-js` and `santacoder-fim-java`."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._problems = {record["task_id"]: self._problem(record) for record in context.records}

    def _problem(self, record: dict[str, str]) -> Problem:
        prefix, middle, suffix = record["prompt"], record["canonical_solution"], record["suffix"]
        return Problem(
            task_id=record["task_id"],
            prompt=infill_prompt(self.context.recipe, prefix, suffix, middle),
            record=record,
            reference=prefix + middle + suffix,
            prefix=prefix,
            suffix=suffix,
        )

    def problems(self) -> Sequence[Problem]:
        """All problems of the language. The stem is what stands before the gap, the tail what follows it."""
        return list(self._problems.values())

    def program(self, problem: Problem, completion: Completion) -> None:
        """Nothing has to be run."""

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if the text for the gap is the reference's, blanks at either end aside."""
        problem = self._problems[completion.task_id]
        middle = middle_of(problem, completion, self.context.recipe)
        passed = middle is not None and middle.strip() == problem.record["canonical_solution"].strip()
        detail = "the program is another around the gap" if middle is None else "not the line that was taken out"
        return Verdict(
            *completion.key,
            passed=passed,
            status="passed" if passed else "failed",
            detail="" if passed else detail,
        )
