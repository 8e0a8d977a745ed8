"""BigCodeBench: write a Python function that uses libraries, from a docstring or an instruction; unit tests decide.

Data and official grader: bigcode-project/bigcodebench (paper: arXiv 2406.15877), bigcodebench/evaluate.py `evaluate`,
bigcodebench/eval/__init__.py `untrusted_check`, `unsafe_execute`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_location
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.errors import UserError
from evalharness.records import Checks, Completion, Execution, Problem, UnitTestProgram, Verdict
from evalharness.sandbox.engines.images import image_folder
from evalharness.util.yaml_text import parse_yaml

SOLVABILITY_FACET = "solvability in this image"
"""The category (facet) by which reports separate problems whose reference solution fails in the sandbox image."""


class BigCodeBenchRecord(TypedDict):
    """One problem of BigCodeBench: the fields of a record in the official data files."""

    task_id: str
    complete_prompt: str
    """Imports, signature and docstring."""
    instruct_prompt: str
    canonical_solution: str
    """The reference's function body."""
    code_prompt: str
    """Imports and signature without the docstring."""
    test: str
    """Defines the class `TestCases`."""
    entry_point: str


class BigCodeBench:
    """The adapter of the tasks `bigcodebench` and `bigcodebench-hard`: their prompts, sandbox programs and verdicts.

    Verdicts follow the official bigcodebench/evaluate.py `evaluate`. `--option split=complete` or `split=instruct`
    selects which of a problem's two official prompts the model receives.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._calibrated = context.options.get("calibrated", "yes") == "yes"
        self._unsolvable = reference_failures_by_task_id(context.image)
        if context.recipe.kind == "completion" and context.split == "instruct":
            raise UserError(
                "--option split=instruct needs a chat recipe, but the selected recipe continues text; add --option "
                "recipe=chat"
            )

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems, ordered by the number in their task_id."""
        return [
            Problem(
                task_id=record["task_id"],
                prompt=build_prompt(self.context.recipe, self._prompt_template_values(record)),
                record=record,
                reference=f"{record['complete_prompt']}\n{record['canonical_solution']}",
                entry_point=record["entry_point"],
                prefix=record["complete_prompt"],
                facets=self._problem_categories(record["task_id"]),
            )
            for record in cast(Sequence[BigCodeBenchRecord], self.context.records)
        ]

    def _prompt_template_values(self, record: BigCodeBenchRecord) -> dict[str, str]:
        """Returns the texts that replace `{task}` and `{prompt}` in the recipe's prompt templates.

        Source: bigcodebench/provider/utility.py `make_raw_chat_prompt`.
        """
        if self.context.split == "instruct":
            return {"task": record["instruct_prompt"].strip()}
        prompt = record["complete_prompt"]
        return {"prompt": prompt, "task": f"```\n{prompt.strip()}\n```"}

    def _problem_categories(self, task_id: str) -> dict[str, str]:
        """Returns the problem's category in reports: whether its reference solution passes in the sandbox image."""
        if not self._unsolvable:
            return {}
        cause = self._unsolvable.get(task_id)
        return {SOLVABILITY_FACET: f"cannot pass: {cause.partition(':')[0]}" if cause else "can pass"}

    def program(self, problem: Problem, completion: Completion) -> UnitTestProgram:
        """Returns what the sandbox runs for a completion: the extracted solution, then the problem's unit tests."""
        extracted = extract_program_and_location(problem, completion, self.context.recipe)
        return UnitTestProgram(
            image=self.context.image,
            source=self._prepend_prompt_code(problem, extracted.source),
            limits=self.context.limits,
            rules=self.context.process_rules,
            checks=Checks(problem.record["test"], entry_point=problem.entry_point),
            found_by=extracted.location,
        )

    def _prepend_prompt_code(self, problem: Problem, code: str) -> str:
        """Returns the solution `code` preceded by the prompt's imports and an empty definition of the function.

        Returns `code` unchanged if it already begins with them, or with `--option calibrated=no`.
        Source: bigcodebench/evaluate.py `evaluate`, option `calibrated`.
        """
        head = f"{problem.record['code_prompt']}\n    pass\n"
        return head + code if self._calibrated and not code.startswith(head) else code

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if no unit test failed or raised an exception.

        If the problem's reference solution fails in the sandbox image too, the verdict's `detail` gives the reason.
        """
        verdict = verdict_of(completion, execution)
        cause = self._unsolvable.get(completion.task_id)
        if cause is None or verdict.passed or verdict.status == "infrastructure":
            return verdict
        return replace(verdict, detail=f"cannot pass in this image ({cause}); {verdict.detail}")


@cache
def reference_failures_by_task_id(image_name: str) -> Mapping[str, str]:
    """Returns, for each problem whose reference solution fails in a sandbox image, the cause as "KIND: REASON".

    The causes are listed in the image's file `unsolvable.yaml`, by task_id.
    """
    path = image_folder(image_name) / "unsolvable.yaml"
    causes: Mapping[str, str] = parse_yaml(path.read_text()) if path.exists() else {}
    return causes
