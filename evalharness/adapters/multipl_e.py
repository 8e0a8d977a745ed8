"""MultiPL-E: HumanEval and MBPP in other languages; tests translated from Python decide, run with the program.

Official grader: nuprl/MultiPL-E, evaluation/src/main.py (the program's text), evaluation/src/containerized_eval.py
and evaluation/src/eval_*.py (each language's commands, which are in sandboxes/*/language.yaml here).
"""

import re
from collections.abc import Sequence
from typing import Any

from evalharness.adapters.context import TaskContext
from evalharness.adapters.prompting import build_prompt, solution
from evalharness.adapters.verdicts import verdict_of
from evalharness.errors import UserError
from evalharness.records import Checks, CommandProgram, Completion, Execution, Limits, Problem, Verdict
from evalharness.sandbox.languages import languages

HEADERS = re.compile(r"(?:#include *<[\w./+]+>\n|\n)*")
"""What other harnesses put before a C++ prompt."""
AFTERWARDS = re.compile(r"\s*(?:\?>\s*)?")
"""What may follow the tests in a whole program: some harnesses close the tag that opens PHP."""


class MultiPlE:
    """Tasks `multipl-e-*`, one for each language."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._limits = Limits(
            time_s=sum(step.time_s for step in languages()[context.image].steps),
            memory_mb=int(context.rules["memory_mb"]),
        )

    def problems(self) -> Sequence[Problem]:
        """The problems of the split, by number."""
        return [self._problem(record) for record in self.context.records]

    def _problem(self, record: dict[str, Any]) -> Problem:
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
        """Prompt, completion and tests, run by the commands of the language.

        Raises UserError for a whole program that does not have the problem's tests at its end.
        """
        prompt, tests = problem.record["prompt"], problem.record["tests"]
        if completion.form == "program":
            source, tests = _split(problem, completion.text)
            start = source.find(prompt)
            stem = source[:start] + prompt if start >= 0 and HEADERS.fullmatch(source, 0, start) else ""
        else:
            source, stem = solution(problem, completion, self.context.recipe), prompt
        checks = Checks(tests, stem=stem)
        return CommandProgram(self.context.image, source, self._limits, checks)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if every command left with success and the language's own rules hold."""
        return verdict_of(completion, execution)


def _split(problem: Problem, text: str) -> tuple[str, str]:
    """What stands before the tests in a whole program, and the tests with what follows them."""
    tests = problem.record["tests"].rstrip()
    start = text.rfind(f"\n{tests}")
    if start < 0 or not AFTERWARDS.fullmatch(text, start + 1 + len(tests)):
        raise UserError(
            f"the program given for {problem.task_id} does not end with this problem's tests; check --task and its "
            "version and split options, or give the completion alone"
        )
    return text[:start], text[start + 1 :]
