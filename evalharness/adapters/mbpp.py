"""MBPP: write a Python program from one sentence; its assertions decide.

Official grader: none was published; that of lm-evaluation-harness (lm_eval/tasks/mbpp/utils.py, with the code_eval
metric of huggingface/evaluate) is what published figures use.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.adapters.context import TaskContext
from evalharness.adapters.prompting import build_prompt, solution
from evalharness.adapters.verdicts import verdict_of
from evalharness.data.cards import fill
from evalharness.records import Checks, Completion, ExecProgram, Execution, Problem, Verdict

SHOTS = (2, 3, 4)
"""Ids of the worked examples, of the `prompt` split, as in the MBPP paper (arXiv 2108.07732)."""


class Mbpp:
    """Task `mbpp`, in its full and its sanitized version."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """The problems of the split, by number."""
        shots = self._shots()
        return [
            Problem(
                task_id=str(record["task_id"]),
                prompt=build_prompt(self.context.recipe, {**_values(record), "shots": shots}),
                record=record,
                reference=record["code"],
            )
            for record in self.context.records
        ]

    def _shots(self) -> str:
        template = self.context.recipe.fields.get("shot")
        if template is None:
            return ""
        by_id = {record["task_id"]: record for record in self.context.loaded.records}
        return "".join(fill(template, _values(by_id[number])) for number in SHOTS)

    def program(self, problem: Problem, completion: Completion) -> ExecProgram:
        """Solution, set-up and assertions, run to the end in one namespace."""
        record = problem.record
        setup = [record.get("test_setup_code", ""), *record.get("test_imports", [])]
        code = solution(problem, completion, self.context.recipe)
        tests = "\n".join([*(line for line in setup if line), *record["test_list"]])
        checks = Checks(tests, entry_point=_tested(record))
        return ExecProgram(self.context.image, code, self.context.limits, self.context.process_rules, checks)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if the end was reached within the time."""
        return verdict_of(completion, execution)


def _tested(record: Mapping[str, Any]) -> str:
    """The function that the reference defines and every assertion calls; empty if there is not just one."""
    defined = re.findall(r"^def\s+(\w+)", record["code"], re.MULTILINE)
    tested = {name for name in defined if all(re.search(rf"\b{name}\s*\(", test) for test in record["test_list"])}
    return tested.pop() if len(tested) == 1 else ""


def _values(record: Mapping[str, Any]) -> dict[str, str]:
    """What templates may name: the sentence, the code, all assertions, and the first one."""
    return {
        "text": record["text"] if "text" in record else record["prompt"],
        "code": record["code"],
        "tests": "\n".join(record["test_list"]),
        "first_test": record["test_list"][0],
    }
