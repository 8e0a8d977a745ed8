"""LiveCodeBench, code generation: problems of programming contests, selectable by the date of the contest.

Data and official grader: LiveCodeBench/LiveCodeBench (paper: arXiv 2403.07974),
lcb_runner/evaluation/compute_code_generation_metrics.py `check_correctness`, lcb_runner/evaluation/testing_util.py
`run_test`. Prompts: lcb_runner/prompts/code_generation.py.
"""

import json
import re
from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program_and_location
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of
from evalharness.data.templates import fill_template
from evalharness.errors import UserError
from evalharness.records import CasesProgram, Completion, EncodedTestCases, Execution, Problem, Prompt, Verdict

METHOD_DEFINITION = re.compile(r"^\s*def\s+(\w+)\s*\(\s*self\b", re.MULTILINE)


class LiveCodeBenchRecord(TypedDict):
    """One problem of LiveCodeBench: the fields of a record in the official data files.

    `task_id` is a copy of the record's `question_id`. The data version `public` lacks the `NotRequired` fields. Only
    the bundled sample data have `reference_solution`.
    """

    task_id: str
    question_content: str
    starter_code: str
    """Empty for a program that reads stdin."""
    public_test_cases: str
    """JSON."""
    private_test_cases: NotRequired[str]
    """JSON, or JSON that is pickled, compressed and base64-encoded."""
    metadata: NotRequired[str]
    """JSON. `func_name` is the method that the test cases call."""
    contest_date: NotRequired[str]
    difficulty: NotRequired[str]
    platform: NotRequired[str]
    reference_solution: NotRequired[str]


class LiveCodeBench:
    """The adapter of the task `livecodebench`: its prompts, sandbox programs and verdicts.

    Verdicts follow the official lcb_runner/evaluation/compute_code_generation_metrics.py `check_correctness`.
    """

    def __init__(self, context: TaskContext):
        self.context, self.name = context, context.name

    def problems(self) -> Sequence[Problem]:
        """Returns the problems of the selected data release and time window, ordered by task_id."""
        return [
            Problem(
                task_id=record["task_id"],
                prompt=self._make_prompt(record),
                record=record,
                reference=record.get("reference_solution"),
                entry_point=name_of_tested_method(record),
                facets=problem_categories(record),
            )
            for record in cast(Sequence[LiveCodeBenchRecord], self.context.records)
        ]

    def _make_prompt(self, record: LiveCodeBenchRecord) -> Prompt:
        """Returns the prompt of a problem, made from the recipe's templates.

        `{task}` in a template stands for the recipe's text `with_starter` for a problem with starter code, else for its
        text `without_starter`.
        """
        starter = record["starter_code"]
        values = {"question": record["question_content"], "starter": starter}
        task = self.context.recipe.fields["with_starter" if starter else "without_starter"]
        return build_prompt(self.context.recipe, {**values, "task": fill_template(str(task), values)})

    def program(self, problem: Problem, completion: Completion) -> CasesProgram:
        """Returns what the sandbox runs for a completion: the extracted solution, once for each test case."""
        record = cast(LiveCodeBenchRecord, problem.record)
        extracted = extract_program_and_location(problem, completion, self.context.recipe)
        return CasesProgram(
            image=self.context.image,
            source=extracted.source,
            limits=self.context.limits,
            rules=self.context.process_rules,
            cases=EncodedTestCases(
                record["public_test_cases"], record.get("private_test_cases", ""), problem.entry_point
            ),
            found_by=extracted.location,
        )

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict on a completion: passed if the program's output for every test case is correct."""
        return verdict_of(completion, execution)


def name_of_tested_method(record: LiveCodeBenchRecord) -> str:
    """Returns the name of the method that a problem's test cases call; "" if they run a program that reads stdin.

    The name is `func_name` in the record's metadata or, in a record without metadata, that of the only method in the
    starter code. Raises UserError if the metadata are not a JSON object, or if a record without metadata has starter
    code with no method or several.
    """
    if "metadata" in record:
        try:
            return str(json.loads(record["metadata"]).get("func_name") or "")
        except (ValueError, AttributeError):
            raise UserError(
                f"in the LiveCodeBench data, the metadata of problem {record['task_id']} is not a JSON object; "
                "download the data again"
            ) from None
    if not record["starter_code"]:
        return ""
    methods: list[str] = METHOD_DEFINITION.findall(record["starter_code"])
    if len(methods) != 1:
        raise UserError(
            f"LiveCodeBench problem {record['task_id']} has no metadata, and its starter code has {len(methods)} "
            "methods instead of one; choose another data version with --option version="
        )
    return methods[0]


def problem_categories(record: LiveCodeBenchRecord) -> dict[str, str]:
    """Returns the problem's categories in reports: its contest's month, its difficulty and its platform, if known."""
    facets = {}
    if "contest_date" in record:
        facets["month"] = record["contest_date"][:7]
    if "difficulty" in record:
        facets["difficulty"] = record["difficulty"]
    if "platform" in record:
        facets["platform"] = record["platform"]
    return facets
