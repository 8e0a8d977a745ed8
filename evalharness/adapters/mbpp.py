"""MBPP: write a short Python program from a one-sentence description; its assertions decide.

Data: google-research/mbpp (paper: arXiv 2108.07732). The authors published no grader. This adapter follows the one
that published results use: EleutherAI/lm-evaluation-harness, lm_eval/tasks/mbpp/utils.py `pass_at_1`, with the metric
code_eval of huggingface/evaluate.
"""

import re
from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_location
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.data.templates import fill_template
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict

FEW_SHOT_IDS = (2, 3, 4)
"""The problems of the `prompt` split that are the examples of a 3-shot prompt, as in the MBPP paper."""


class MbppRecord(TypedDict):
    """One problem of MBPP: the fields of a record in the data file of the full or the sanitized version."""

    task_id: int
    text: NotRequired[str]
    """The description; full version only."""
    prompt: NotRequired[str]
    """The description; sanitized version only."""
    code: str
    """The reference solution."""
    test_list: list[str]
    """Assertions."""
    test_setup_code: NotRequired[str]
    """Full version only."""
    test_imports: NotRequired[list[str]]
    """Sanitized version only."""


class Mbpp:
    """The adapter of the task `mbpp`, full or sanitized version: its prompts, sandbox programs and verdicts.

    Verdicts follow lm-evaluation-harness, lm_eval/tasks/mbpp/utils.py `pass_at_1`.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """Returns the problems of the selected split (by default test), ordered by task_id, which is a number."""
        examples = self._few_shot_examples()
        return [
            Problem(
                task_id=str(record["task_id"]),
                prompt=build_prompt(self.context.recipe, {**_prompt_template_values(record), "shots": examples}),
                record=record,
                reference=record["code"],
                entry_point=_tested_function_name(record),
            )
            for record in cast(Sequence[MbppRecord], self.context.records)
        ]

    def _few_shot_examples(self) -> str:
        """Returns the solved examples of a few-shot prompt as one text; "" if the recipe has no template `shot`."""
        template = self.context.recipe.fields.get("shot")
        if template is None:
            return ""
        by_id = {record["task_id"]: record for record in cast(Sequence[MbppRecord], self.context.data.records)}
        return "".join(fill_template(template, _prompt_template_values(by_id[number])) for number in FEW_SHOT_IDS)

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        """Returns what the sandbox runs for a completion: the solution, the tests' set-up code and the assertions."""
        record = cast(MbppRecord, problem.record)
        setup = [record.get("test_setup_code", ""), *record.get("test_imports", [])]
        extracted = extract_program_and_location(problem, completion, self.context.recipe)
        tests = "\n".join([*(line for line in setup if line), *record["test_list"]])
        checks = Checks(tests, entry_point=problem.entry_point)
        rules = self.context.process_rules
        return ExecProgram(self.context.image, extracted.source, self.context.limits, rules, checks, extracted.location)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if program and assertions ran to their end within the limits."""
        return verdict_of(completion, execution)


def _tested_function_name(record: MbppRecord) -> str:
    """Returns the name of the tested function: the reference solution defines it, and every assertion calls it.

    Returns "" if there is no such function, or more than one.
    """
    defined = re.findall(r"^def\s+(\w+)", record["code"], re.MULTILINE)
    tested = {name for name in defined if all(re.search(rf"\b{name}\s*\(", test) for test in record["test_list"])}
    return tested.pop() if len(tested) == 1 else ""


def _prompt_template_values(record: MbppRecord) -> dict[str, str]:
    """Returns the texts that replace `{text}`, `{code}`, `{tests}` and `{first_test}` in the prompt templates."""
    return {
        "text": record["text"] if "text" in record else record["prompt"],
        "code": record["code"],
        "tests": "\n".join(record["test_list"]),
        "first_test": record["test_list"][0],
    }
