"""MBPP: write a short Python program from a one-sentence description; its assertions decide.

Data: google-research/mbpp (paper: arXiv 2108.07732). The authors published no grader. This adapter follows the one
that published results use: EleutherAI/lm-evaluation-harness, lm_eval/tasks/mbpp/utils.py `pass_at_1`, with the metric
code_eval of huggingface/evaluate.
"""

import re
from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_rule
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.data.templates import fill_template
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict

FEW_SHOT_IDS = (2, 3, 4)
"""The problems of the `prompt` split that are the examples of a 3-shot prompt, as in the MBPP paper."""


class MbppRecord(TypedDict):
    """A record of MBPP's data file, in its full or its sanitized version."""

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
    """The task `mbpp`, in its full and its sanitized version, graded as lm-evaluation-harness's `pass_at_1` does."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """Returns the problems of the task's split in the order of their numbers."""
        examples = self._few_shot_examples()
        return [
            Problem(
                task_id=str(record["task_id"]),
                prompt=build_prompt(self.context.recipe, {**_template_values(record), "shots": examples}),
                record=record,
                reference=record["code"],
                entry_point=_tested_function_name(record),
            )
            for record in cast(Sequence[MbppRecord], self.context.records)
        ]

    def _few_shot_examples(self) -> str:
        """Returns the few-shot examples as one text; "" if the recipe has no template `shot`."""
        template = self.context.recipe.fields.get("shot")
        if template is None:
            return ""
        by_id = {record["task_id"]: record for record in cast(Sequence[MbppRecord], self.context.data.records)}
        return "".join(fill_template(template, _template_values(by_id[number])) for number in FEW_SHOT_IDS)

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        """Returns the sandbox program of a completion: solution, set-up code and assertions in one namespace."""
        record = cast(MbppRecord, problem.record)
        setup = [record.get("test_setup_code", ""), *record.get("test_imports", [])]
        extracted = extract_program_and_rule(problem, completion, self.context.recipe)
        tests = "\n".join([*(line for line in setup if line), *record["test_list"]])
        checks = Checks(tests, entry_point=problem.entry_point)
        rules = self.context.process_rules
        return ExecProgram(self.context.image, extracted.source, self.context.limits, rules, checks, extracted.rule)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict: passed if program and assertions ran to their end within the time limit."""
        return verdict_of(completion, execution)


def _tested_function_name(record: MbppRecord) -> str:
    """Returns the name of the function under test: the reference solution defines it, and every assertion calls it.

    Returns "" if there is not exactly one such function.
    """
    defined = re.findall(r"^def\s+(\w+)", record["code"], re.MULTILINE)
    tested = {name for name in defined if all(re.search(rf"\b{name}\s*\(", test) for test in record["test_list"])}
    return tested.pop() if len(tested) == 1 else ""


def _template_values(record: MbppRecord) -> dict[str, str]:
    """Returns the texts that replace `{text}`, `{code}`, `{tests}` and `{first_test}` in prompt templates."""
    return {
        "text": record["text"] if "text" in record else record["prompt"],
        "code": record["code"],
        "tests": "\n".join(record["test_list"]),
        "first_test": record["test_list"][0],
    }
