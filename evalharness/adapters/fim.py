"""HumanEval-Infilling: put back a line, some lines or a span of a function; HumanEval's tests decide.

Official grader: openai/human-eval-infilling, human_eval_infilling/execution.py `unsafe_execute`, `check_correctness`.
"""

from collections.abc import Sequence

from evalharness.adapters.context import TaskContext
from evalharness.adapters.infilling import filled, infill_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict


class HumanEvalInfilling:
    """Tasks `fim-single-line`, `fim-multi-line`, `fim-random-span` and `fim-random-span-light`."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """All problems, by number. The stem is what stands before the gap, the tail what follows it."""
        return [
            Problem(
                task_id=record["task_id"],
                prompt=infill_prompt(
                    self.context.recipe, record["prompt"], record["suffix"], record["canonical_solution"]
                ),
                record=record,
                reference=record["prompt"] + record["canonical_solution"] + record["suffix"],
                entry_point=record["entry_point"],
                prefix=record["prompt"],
                suffix=record["suffix"],
            )
            for record in self.context.records
        ]

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        """The function with its gap filled, tests and the call of `check`, run to the end in one namespace."""
        code = filled(problem, completion, self.context.recipe)
        tests = f"{problem.record['test']}\ncheck({problem.entry_point})"
        checks = Checks(tests, trusted=problem.reference or "", entry_point=problem.entry_point)
        return ExecProgram(self.context.image, code, self.context.limits, self.context.process_rules, checks)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if the end was reached within the time."""
        return verdict_of(completion, execution)
