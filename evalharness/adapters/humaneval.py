"""HumanEval: complete a Python function from its signature and docstring; hand-written tests decide.

Data and official grader: openai/human-eval (paper: arXiv 2107.03374), human_eval/execution.py `check_correctness`,
`unsafe_execute`.
"""

from collections.abc import Sequence
from typing import TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_location
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict


class HumanEvalRecord(TypedDict):
    """One problem of HumanEval: the fields of a record in the official data file."""

    task_id: str
    prompt: str
    """Imports, signature and docstring."""
    entry_point: str
    canonical_solution: str
    """The reference's function body."""
    test: str
    """Defines `check(candidate)`."""


class HumanEval:
    """The adapter of the task `humaneval`: its prompts, sandbox programs and verdicts.

    Verdicts follow the official human_eval/execution.py `check_correctness`.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems, ordered by the number in their task_id."""
        return [self._make_problem(cast(HumanEvalRecord, record)) for record in self.context.records]

    def _make_problem(self, record: HumanEvalRecord) -> Problem:
        prompt = record["prompt"]
        return Problem(
            task_id=record["task_id"],
            prompt=build_prompt(self.context.recipe, {"prompt": prompt, "stripped_prompt": prompt.strip()}),
            record=record,
            reference=prompt + record["canonical_solution"],
            entry_point=record["entry_point"],
            prefix=prompt,
        )

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        """Returns what the sandbox runs for a completion: the solution, the tests and a call of `check`."""
        extracted = extract_program_and_location(problem, completion, self.context.recipe)
        tests = f"{problem.record['test']}\ncheck({problem.entry_point})"
        checks = Checks(tests, trusted=problem.reference or "", entry_point=problem.entry_point)
        rules = self.context.process_rules
        return ExecProgram(self.context.image, extracted.source, self.context.limits, rules, checks, extracted.location)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if program and tests ran to their end within the limits."""
        return verdict_of(completion, execution)
