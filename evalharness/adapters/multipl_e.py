"""MultiPL-E: HumanEval and MBPP translated into other languages; translated tests follow the program and decide.

Data and official grader: nuprl/MultiPL-E (paper: arXiv 2208.08227), evaluation/src/main.py (the program's text),
evaluation/src/containerized_eval.py and evaluation/src/eval_*.py (each language's commands, which are in
sandboxes/*/language.yaml here).
"""

import re
from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_location
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.errors import UserError
from evalharness.records import Checks, CommandProgram, Completion, Execution, Limits, Problem, Verdict
from evalharness.sandbox.languages import languages_by_image

CPP_HEADERS = re.compile(r"(?:#include *<[\w./+]+>\n|\n)*")
"""Lines that other harnesses put before a C++ prompt."""
AFTER_TESTS = re.compile(r"\s*(?:\?>\s*)?")
"""Text that may follow the tests in a whole program. Some harnesses close PHP's tag."""


class MultiPlERecord(TypedDict):
    """One problem of MultiPL-E: the fields of a record in the official data files.

    `task_id` is a copy of the record's `name`. Only the bundled sample data have `canonical_solution`.
    """

    task_id: str
    language: str
    prompt: str
    tests: str
    stop_tokens: list[str]
    canonical_solution: NotRequired[str]


class MultiPlE:
    """The adapter of the tasks `multipl-e-*`, one per programming language: prompts, sandbox programs and verdicts.

    Verdicts follow the official evaluation/src/containerized_eval.py.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._limits = Limits(
            time_s=sum(step.time_s for step in languages_by_image()[context.image].steps),
            memory_mb=int(context.rules["memory_mb"]),
        )

    def problems(self) -> Sequence[Problem]:
        """Returns the problems of the selected split, ordered by the number in their task_id."""
        return [self._make_problem(cast(MultiPlERecord, record)) for record in self.context.records]

    def _make_problem(self, record: MultiPlERecord) -> Problem:
        recipe, prompt = self.context.recipe, record["prompt"]
        values = {**self.context.entry.values, "prompt": prompt, "stripped_prompt": prompt.strip()}
        stops = tuple(record["stop_tokens"]) if recipe.kind == "completion" else ()
        return Problem(
            task_id=record["task_id"],
            prompt=build_prompt(recipe, values, stops),
            record=record,
            reference=prompt + record["canonical_solution"] if "canonical_solution" in record else None,
            prefix=prompt,
            accepts_programs=True,
        )

    def program(self, problem: Problem, completion: Completion) -> CommandProgram:
        """Returns what the sandbox runs for a completion: prompt, completion and tests in the task's language.

        Raises UserError if the completion is a whole program and does not end with the problem's tests.
        """
        prompt, tests, found_by = problem.record["prompt"], problem.record["tests"], ""
        if completion.form == "program":
            source, tests = _split_at_tests(problem, completion.text)
            start = source.find(prompt)
            prefix = source[:start] + prompt if start >= 0 and CPP_HEADERS.fullmatch(source, 0, start) else ""
        else:
            extracted = extract_program_and_location(problem, completion, self.context.recipe)
            source, prefix, found_by = extracted.source, prompt, extracted.location
        checks = Checks(tests, stem=prefix)
        return CommandProgram(self.context.image, source, self._limits, checks, found_by)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if every command (such as compiler and tests) succeeds.

        A command succeeds if it exits with 0 and its output shows no failure. `sandboxes/IMAGE/language.yaml` lists the
        commands and the output that shows a failure.
        """
        return verdict_of(completion, execution)


def _split_at_tests(problem: Problem, program: str) -> tuple[str, str]:
    """Returns (the program without its tests, the tests) for a whole program that ends with the problem's tests.

    Raises UserError if the program does not end with these tests.
    """
    tests = problem.record["tests"].rstrip()
    start = program.rfind(f"\n{tests}")
    if start < 0 or not AFTER_TESTS.fullmatch(program, start + 1 + len(tests)):
        raise UserError(
            f"in the samples file, the program of {problem.task_id} does not end with this problem's tests; check "
            "--task, --option version and --option split, or give the completion instead of the program"
        )
    return program[:start], program[start + 1 :]
