"""Task `string-tasks`: short Python functions on strings, each judged by assertions."""

from collections.abc import Sequence
from pathlib import Path

from evalharness.adapters import TaskContext, build_prompt, extract_program, verdict_of
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict

CARDS = Path(__file__).parent / "cards"


class StringTasks:
    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        return [
            Problem(
                task_id=record["task_id"],
                prompt=build_prompt(self.context.recipe, {"prompt": record["prompt"]}),
                record=record,
                reference=record["prompt"] + record["solution"],
                entry_point=record["entry_point"],
                prefix=record["prompt"],
            )
            for record in self.context.records
        ]

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        source = extract_program(problem, completion, self.context.recipe)
        checks = Checks(problem.record["tests"], trusted=problem.reference or "", entry_point=problem.entry_point)
        return ExecProgram(self.context.image, source, self.context.limits, checks=checks)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        return verdict_of(completion, execution)
