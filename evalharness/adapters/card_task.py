"""Tasks that a card (YAML file in tasks/) defines without code: each record's tests run after the extracted program."""

import ast
import builtins
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import check_extraction_rule, extract_program_and_location
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.data.cards.short_card import PYTHON_IMAGES
from evalharness.data.files import Record
from evalharness.data.templates import PLACEHOLDER, fill_template
from evalharness.errors import UserError
from evalharness.records import (
    Checks,
    CommandProgram,
    Completion,
    ExecProgram,
    Execution,
    Limits,
    Problem,
    Verdict,
)
from evalharness.sandbox.languages import languages_by_image
from evalharness.util.paths import bundled_folder
from evalharness.util.suggest import unknown_name_message

TESTS_KEY = "tests"
"""The key in the card's `rules` of the template of the test code; by default the record field with this name."""


class CardTask:
    """The adapter of tasks that a short task card (YAML file) defines, without Python code for the task."""

    def __init__(self, context: TaskContext):
        """Raises UserError for a template that uses no field of the records, an unknown extraction rule or image."""
        self.context, self.name = context, context.name
        self._tests = str(context.rules.get(TESTS_KEY, "{tests}"))
        fields = context.version.fields
        for name, template in {**context.recipe.fields, "tests": self._tests}.items():
            if name in ("user", "prompt", "tests") and not set(PLACEHOLDER.findall(str(template))) & set(fields):
                raise UserError(
                    f"in the task card of {context.name}, the template {name!r} uses no field of the records; write "
                    f"one of the card's fields in braces: {', '.join(f'{{{field}}}' for field in fields)}"
                )
        check_extraction_rule(context.recipe.extraction)
        images = sorted(path.parent.name for path in bundled_folder("sandboxes").glob("*/Dockerfile"))
        if context.image not in images:
            raise UserError(unknown_name_message("sandbox image", context.image, images))
        self._language = None if context.image in PYTHON_IMAGES else languages_by_image().get(context.image)

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems, ordered by task_id."""
        return [self._make_problem(record) for record in self.context.records]

    def _make_problem(self, record: Record) -> Problem:
        prompt = build_prompt(self.context.recipe, self._template_values(record))
        prefix = prompt.text or str(record.get("prefix", ""))
        if self._language and not re.search(
            self._language.tests.end_after or self._language.tests.line, self._fill_test_template(record)
        ):
            raise UserError(
                f"the tests of problem {record['task_id']} in task {self.name} have no line that matches "
                f"{self._language.tests.line}, which tests in {self._language.language} need; change the tests to "
                f"the form that sandboxes/{self.context.image}/language.yaml describes"
            )
        return Problem(
            task_id=str(record["task_id"]),
            prompt=prompt,
            record=record,
            reference=_official_solution(record, prefix),
            entry_point=str(record.get("entry_point") or name_of_tested_function(self._fill_test_template(record))),
            prefix=prefix,
        )

    def program(self, problem: Problem, completion: Completion) -> ExecProgram | CommandProgram:
        """Returns what the sandbox runs for a completion: the extracted program, then the problem's tests."""
        extracted = extract_program_and_location(problem, completion, self.context.recipe)
        tests = self._fill_test_template(problem.record)
        image, limits = self.context.image, self.context.limits
        if self._language:
            seconds = sum(step.time_s for step in self._language.steps)
            return CommandProgram(
                image, extracted.source, Limits(seconds, limits.memory_mb), Checks(tests), extracted.location
            )
        checks = Checks(tests, trusted=problem.reference or "", entry_point=problem.entry_point)
        return ExecProgram(image, extracted.source, limits, self.context.process_rules, checks, extracted.location)

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if program and tests ran to their end within the limits."""
        return verdict_of(completion, execution)

    def _fill_test_template(self, record: Mapping[str, Any]) -> str:
        return fill_template(self._tests, self._template_values(record))

    def _template_values(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Returns, by field name, the text that replaces `{FIELD_NAME}` in the card's templates for this record.

        A field whose value is a list becomes a text with one line per item.
        """
        return {name: _field_value_as_text(record[name]) for name in self.context.version.fields}


def name_of_tested_function(tests: str) -> str:
    """Returns the name of the tested function: the only one that the Python code `tests` calls but does not define.

    Returns "" if there is no such function, or more than one. The name selects the function to extract from a model's
    answer.
    """
    try:
        nodes = list(ast.walk(ast.parse(tests)))
    except (SyntaxError, ValueError, RecursionError):
        return ""
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)}
    defined |= {(node.asname or node.name).partition(".")[0] for node in nodes if isinstance(node, ast.alias)}
    defined |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    tested = called - defined - set(dir(builtins))
    return tested.pop() if len(tested) == 1 else ""


def _field_value_as_text(field_value: Any) -> str:
    return "\n".join(map(str, field_value)) if isinstance(field_value, list) else str(field_value)


def _official_solution(record: Mapping[str, Any], prefix: str) -> str | None:
    """Returns the official solution in a data record, as a whole program; None if the record has none.

    It is the record's field `solution`, or the prompt's code `prefix` followed by the field `completion`.
    """
    if "solution" in record:
        return str(record["solution"])
    return prefix + str(record["completion"]) if "completion" in record else None
