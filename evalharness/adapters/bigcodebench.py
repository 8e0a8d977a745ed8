"""BigCodeBench: write a Python function that uses libraries, from a docstring or an instruction; unit tests decide.

Official grader: bigcode-project/bigcodebench, bigcodebench/evaluate.py `evaluate`, bigcodebench/eval/__init__.py
`unsafe_execute`, `untrusted_check`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import yaml

from evalharness.adapters.context import TaskContext
from evalharness.adapters.prompting import build_prompt, solution
from evalharness.adapters.verdicts import verdict_of
from evalharness.errors import UserError
from evalharness.records import Checks, Completion, Execution, Problem, UnitTestProgram, Verdict
from evalharness.sandbox.engines.images import image_folder

FACET = "in this image"


class BigCodeBench:
    """Tasks `bigcodebench` and `bigcodebench-hard`; the split says which of the two prompts a model is given."""

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name
        self._calibrated = _is_yes(context.options.get("calibrated", "yes"))
        self._unsolvable = unsolvable(context.image)
        if context.recipe.kind == "completion" and context.split == "instruct":
            raise UserError("instructions cannot be continued; use --option recipe=chat with split=instruct")

    def problems(self) -> Sequence[Problem]:
        """All problems, by number."""
        return [
            Problem(
                task_id=record["task_id"],
                prompt=build_prompt(self.context.recipe, self._texts(record)),
                record=record,
                reference=f"{record['complete_prompt']}\n{record['canonical_solution']}",
                entry_point=record["entry_point"],
                prefix=record["complete_prompt"],
                facets=self._facets(record["task_id"]),
            )
            for record in self.context.records
        ]

    def _texts(self, record: Mapping[str, str]) -> dict[str, str]:
        """What templates may name. Source: bigcodebench/provider/utility.py `make_raw_chat_prompt`."""
        if self.context.split == "instruct":
            return {"task": record["instruct_prompt"].strip()}
        prompt = record["complete_prompt"]
        return {"prompt": prompt, "task": f"```\n{prompt.strip()}\n```"}

    def _facets(self, task_id: str) -> dict[str, str]:
        if not self._unsolvable:
            return {}
        cause = self._unsolvable.get(task_id)
        return {FACET: f"cannot pass: {cause.partition(':')[0]}" if cause else "can pass"}

    def program(self, problem: Problem, completion: Completion) -> UnitTestProgram:
        """The solution as a module, with the tests after it."""
        return UnitTestProgram(
            image=self.context.image,
            source=self._calibrate(problem, solution(problem, completion, self.context.recipe)),
            limits=self.context.limits,
            rules=self.context.process_rules,
            checks=Checks(problem.record["test"], entry_point=problem.entry_point),
        )

    def _calibrate(self, problem: Problem, code: str) -> str:
        """The prompt's imports and an empty function first, unless a samples file has them there already."""
        head = f"{problem.record['code_prompt']}\n    pass\n"
        return head + code if self._calibrated and not code.startswith(head) else code

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Passed if no test failed or raised. Says so where no solution can pass in this image."""
        verdict = verdict_of(completion, execution)
        cause = self._unsolvable.get(completion.task_id)
        if cause is None or verdict.passed or verdict.status == "infrastructure":
            return verdict
        return replace(verdict, detail=f"cannot pass in this image ({cause}); {verdict.detail}")


@cache
def unsolvable(image: str) -> Mapping[str, str]:
    """Problems whose reference solution cannot pass in the image, each with its cause: a word, a colon, and more."""
    path = image_folder(image) / "unsolvable.yaml"
    found: Mapping[str, str] = yaml.safe_load(path.read_text()) if path.exists() else {}
    return found


def _is_yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise UserError(f"--option calibrated={text} is neither yes nor no")
    return text == "yes"
