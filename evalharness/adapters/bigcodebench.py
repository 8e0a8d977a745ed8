"""BigCodeBench: write a Python function that uses libraries, from a docstring or an instruction; unit tests decide.

Data and official grader: bigcode-project/bigcodebench (paper: arXiv 2406.15877), bigcodebench/evaluate.py `evaluate`,
bigcodebench/eval/__init__.py `untrusted_check`, `unsafe_execute`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_rule
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.errors import UserError
from evalharness.records import Checks, Completion, Execution, Problem, UnitTestProgram, Verdict
from evalharness.sandbox.engines.images import image_folder
from evalharness.util.yaml_text import parse_yaml

SOLVABILITY_FACET = "solvability in this image"
"""The category (facet) by which reports separate problems whose reference solution fails in the sandbox image."""


class BigCodeBenchRecord(TypedDict):
    """A record of BigCodeBench's official data files."""

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
    """The tasks `bigcodebench` and `bigcodebench-hard`, graded as bigcodebench/evaluate.py `evaluate` does.

    The split (`complete` or `instruct`) selects one of a problem's two prompts.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._calibrated = context.options.get("calibrated", "yes") == "yes"
        self._unsolvable = reasons_for_unsolvable_problems(context.image)
        if context.recipe.kind == "completion" and context.split == "instruct":
            raise UserError(
                "--option split=instruct needs a chat recipe, but the selected recipe continues text; add --option "
                "recipe=chat"
            )

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems in the order of their numbers."""
        return [
            Problem(
                task_id=record["task_id"],
                prompt=build_prompt(self.context.recipe, self._template_values(record)),
                record=record,
                reference=f"{record['complete_prompt']}\n{record['canonical_solution']}",
                entry_point=record["entry_point"],
                prefix=record["complete_prompt"],
                facets=self._problem_facets(record["task_id"]),
            )
            for record in cast(Sequence[BigCodeBenchRecord], self.context.records)
        ]

    def _template_values(self, record: BigCodeBenchRecord) -> dict[str, str]:
        """Returns the texts for prompt templates. Source: bigcodebench/provider/utility.py `make_raw_chat_prompt`."""
        if self.context.split == "instruct":
            return {"task": record["instruct_prompt"].strip()}
        prompt = record["complete_prompt"]
        return {"prompt": prompt, "task": f"```\n{prompt.strip()}\n```"}

    def _problem_facets(self, task_id: str) -> dict[str, str]:
        if not self._unsolvable:
            return {}
        cause = self._unsolvable.get(task_id)
        return {SOLVABILITY_FACET: f"cannot pass: {cause.partition(':')[0]}" if cause else "can pass"}

    def program(self, problem: Problem, completion: Completion) -> UnitTestProgram:
        """Returns the sandbox program of a completion: the solution as a module, then the class of unit tests."""
        extracted = extract_program_and_rule(problem, completion, self.context.recipe)
        return UnitTestProgram(
            image=self.context.image,
            source=self._prepend_prompt_code(problem, extracted.source),
            limits=self.context.limits,
            rules=self.context.process_rules,
            checks=Checks(problem.record["test"], entry_point=problem.entry_point),
            found_by=extracted.rule,
        )

    def _prepend_prompt_code(self, problem: Problem, code: str) -> str:
        """Returns `code` with the prompt's imports and an empty function put before it, unless it starts with them.

        Source: bigcodebench/evaluate.py `evaluate`, option `calibrated`.
        """
        head = f"{problem.record['code_prompt']}\n    pass\n"
        return head + code if self._calibrated and not code.startswith(head) else code

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict: passed if no unit test failed or raised.

        The verdict's `detail` states it if no program can pass this problem in the sandbox image.
        """
        verdict = verdict_of(completion, execution)
        cause = self._unsolvable.get(completion.task_id)
        if cause is None or verdict.passed or verdict.status == "infrastructure":
            return verdict
        return replace(verdict, detail=f"cannot pass in this image ({cause}); {verdict.detail}")


@cache
def reasons_for_unsolvable_problems(image: str) -> Mapping[str, str]:
    """Returns, by task_id, why the reference solutions of some problems fail in a sandbox image.

    Each cause is a text "KIND: REASON". Problems whose reference solution passes are absent.
    """
    path = image_folder(image) / "unsolvable.yaml"
    causes: Mapping[str, str] = parse_yaml(path.read_text()) if path.exists() else {}
    return causes
