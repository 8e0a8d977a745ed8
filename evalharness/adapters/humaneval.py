"""HumanEval: complete a Python function from its signature and docstring; hand-written tests decide.

Official grader: openai/human-eval, human_eval/execution.py `unsafe_execute`, `check_correctness`.
"""

from collections.abc import Sequence

from evalharness.adapters.context import TaskContext
from evalharness.adapters.prompting import build_prompt, solution
from evalharness.adapters.verdicts import verdict_of
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict


class HumanEval:
    """Task `humaneval`."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """All problems, by number."""
        return [
            Problem(
                task_id=record["task_id"],
                prompt=build_prompt(
                    self.context.recipe, {"prompt": record["prompt"], "stripped_prompt": record["prompt"].strip()}
                ),
                record=record,
                reference=record["prompt"] + record["canonical_solution"],
                entry_point=record["entry_point"],
                prefix=record["prompt"],
            )
            for record in self.context.records
        ]

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        """Solution, tests and the call of `check`, run to the end in one namespace."""
        code = solution(problem, completion, self.context.recipe)
        tests = f"{problem.record['test']}\ncheck({problem.entry_point})"
        checks = Checks(tests, trusted=problem.reference or "", entry_point=problem.entry_point)
        return ExecProgram(self.context.image, code, self.context.limits, self.context.process_rules, checks)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if the end was reached within the time."""
        return verdict_of(completion, execution)
