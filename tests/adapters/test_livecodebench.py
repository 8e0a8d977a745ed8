"""LiveCodeBench: prompts and extraction of the official runner, releases, time windows, and programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.task_data import OpenTask

from evalharness.adapters import open_task
from evalharness.errors import UserError
from evalharness.records import Completion, EncodedTestCases, Execution, Limits, Message, Outcome, Problem, Task

STARTER = "class Solution:\n    def double(self, n: int) -> int:\n        "
CASES = json.dumps([{"input": "1", "output": "2", "testtype": "functional"}])


def record(number: int, starter: str = "", metadata: str = "{}", date: str = "2024-08-03T00:00:00") -> dict[str, Any]:
    return {
        "question_title": f"Problem {number}",
        "question_content": f"Question {{question}} {number}?",
        "platform": "leetcode" if starter else "atcoder",
        "question_id": f"p_{number}",
        "contest_id": "c",
        "contest_date": date,
        "starter_code": starter,
        "difficulty": "easy",
        "public_test_cases": CASES,
        "private_test_cases": "[]",
        "metadata": metadata,
    }


PRINTS = record(1)
CALLED = record(2, STARTER, '{"func_name": "double"}', "2024-09-07T00:00:00")


def open_record(open_with: OpenTask, row: dict[str, Any], **options: str) -> tuple[Task, Problem]:
    task, problems = open_with("livecodebench", [row], **{"version": "three", **options})
    return task, problems[row["question_id"]]


def source(open_with: OpenTask, text: str, form: str = "answer", **options: str) -> str:
    task, problem = open_record(open_with, PRINTS, **options)
    program = task.program(problem, Completion("p_1", 0, text, form=form))  # type: ignore[arg-type]
    assert program is not None
    return program.source


def test_chat(open_with: OpenTask) -> None:
    """lcb_runner/prompts/code_generation.py `get_generic_question_template_answer`."""
    _, problem = open_record(open_with, PRINTS)
    system, user = problem.prompt.messages
    assert system.role == "system"
    assert system.content.startswith("You are an expert Python programmer. You will be given a question")
    assert user.content.startswith("### Question:\nQuestion {question} 1?\n\n### Format: Read the inputs from stdin")
    assert user.content.endswith(
        "writes output to STDOUT.\n```python\n# YOUR CODE HERE\n```\n\n"
        "### Answer: (use the provided format with backticks)\n\n"
    )
    assert problem.prompt.stops == ()  # lcb_runner/runner/oai_runner.py and its like send none


def test_chat_with_starter_code(open_with: OpenTask) -> None:
    _, problem = open_record(open_with, CALLED)
    content = problem.prompt.messages[1].content
    assert f"enclose your code within delimiters.\n```python\n{STARTER}\n```\n\n### Answer" in content
    assert "stdin" not in content


def test_chat_without_a_system_message(open_with: OpenTask) -> None:
    _, with_system = open_record(open_with, PRINTS)
    _, without_system = open_record(open_with, PRINTS, recipe="chat-one-turn")
    joined = "\n\n".join(message.content for message in with_system.prompt.messages)
    assert without_system.prompt.messages == (Message("user", joined),)


def test_the_base_prompt_has_an_example_of_the_same_kind(open_with: OpenTask) -> None:
    _, prints = open_record(open_with, PRINTS, recipe="base")
    _, called = open_record(open_with, CALLED, recipe="base")
    for problem, end in (
        (prints, "main()\n\n\n### Question\nQuestion {question} 1?\n\n### Answer\n\n"),
        (called, f"### Question\nQuestion {{question}} 2?\n\n### Starter Code\n{STARTER}\n\n### Answer\n\n"),
    ):
        text = problem.prompt.text or ""
        assert text.startswith("### Question\nYou ")
        assert text.endswith(end)
        assert text.count("### Answer\n\n") == 2


def test_recipes_that_include_a_chat_template(open_with: OpenTask) -> None:
    for recipe, end in (("deepseek-r1", "<\uff5cAssistant\uff5c>"), ("qwen", "<|im_end|>\n<|im_start|>assistant\n")):
        _, problem = open_record(open_with, PRINTS, recipe=recipe)
        assert (problem.prompt.text or "").endswith(f"```python\n# YOUR CODE HERE\n```\n\n{end}")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("First:\n```\nx = 0\n```\nbetter:\n```python\nx = 1\n\n```\nDone.", "x = 1\n"),
        ("```python\nx = 1\n```\nSee ```this```.", "See"),
        ("```python\nx = 1", ""),
        ("x = 1", ""),
        ("", ""),
        ("  ```py\nx = 1\n  ```  ", "x = 1"),
    ],
)
def test_the_last_code_block_is_the_program(text: str, code: str, open_with: OpenTask) -> None:
    expected = "" if code == "See" else code
    assert source(open_with, text) == expected


def test_the_output_of_a_base_model_is_stripped(open_with: OpenTask) -> None:
    assert source(open_with, "\n\nprint(1)\n\n", recipe="base") == "print(1)"


def test_solutions_of_a_samples_file_stay_unchanged(open_with: OpenTask) -> None:
    assert source(open_with, "```\nx\n```", form="solution") == "```\nx\n```"


def test_program_has_the_cases_of_its_record(open_with: OpenTask) -> None:
    for row, function in ((PRINTS, ""), (CALLED, "double")):
        task, problem = open_record(open_with, row)
        program = task.program(problem, Completion(problem.task_id, 0, "x", form="solution"))
        assert program is not None
        assert (program.image, program.limits) == ("livecodebench", Limits(6.0, 4096))
        assert program.cases == EncodedTestCases(CASES, "[]", function)


def test_without_metadata_the_method_is_that_of_the_starter_code(open_with: OpenTask) -> None:
    kept = ("question_id", "question_title", "question_content", "difficulty", "starter_code", "public_test_cases")
    bare = {name: CALLED[name] for name in kept}
    starter = "class Solution:\n    def f(self): ...\n    def g(self): ..."
    task, problem = open_without_metadata(open_with, bare)
    assert problem.entry_point == "double"
    assert problem.facets == {"difficulty": "easy"}
    assert problem.reference is None
    program = task.program(problem, Completion("p_2", 0, "x", form="solution"))
    assert program is not None
    assert program.cases == EncodedTestCases(CASES, "", "double")
    with pytest.raises(UserError, match="p_2 has no metadata, and its starter code has 2 methods"):
        open_without_metadata(open_with, {**bare, "starter_code": starter})


def open_without_metadata(open_with: OpenTask, row: dict[str, Any]) -> tuple[Task, Problem]:
    task, problems = open_with("livecodebench", [row], version="public", release="release_v1")
    return task, problems["p_2"]


def test_facets(open_with: OpenTask) -> None:
    _, problem = open_record(open_with, PRINTS)
    assert problem.facets == {"month": "2024-08", "difficulty": "easy", "platform": "atcoder"}


def test_a_time_window(open_with: OpenTask) -> None:
    _, problems = open_with("livecodebench", [PRINTS, CALLED], version="three", start="2024-09-01")
    assert list(problems) == ["p_2"]


def release_folder(folder: Path) -> Path:
    (folder / "livecodebench/public_only").mkdir(parents=True)
    kept = ("question_id", "question_title", "question_content", "difficulty", "starter_code", "public_test_cases")
    for number in range(1, 7):
        row = {name: record(number)[name] for name in kept}
        name = f"refined_test{'' if number == 1 else number}.jsonl"
        (folder / "livecodebench/public_only" / name).write_text(json.dumps(row) + "\n")
    return folder


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        (None, "123456"),
        ("release_latest", "123456"),
        ("release_v1", "1"),
        ("release_v4", "1234"),
        ("v5", "5"),
        ("v4_v6", "456"),
        ("v1_v2", "12"),
    ],
)
def test_a_release_selects_files(release: str | None, numbers: str, tmp_path: Path) -> None:
    """Source: README.md of LiveCodeBench, and the loading script of the data set."""
    options = {"version": "public", **({"release": release} if release else {})}
    task, context = open_task("livecodebench", release_folder(tmp_path), options)
    assert [problem.task_id for problem in task.problems()] == [f"p_{number}" for number in numbers]
    described = context.describe()
    assert described["version"] == "public"
    assert described["options"] == {"release": release or "release_v6"}
    assert described["problems"] == len(numbers)
    assert not described["data"]["official"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"release": "v7"}, "unknown release of livecodebench 'v7'; "),
        ({"release": "v6_v4"}, "unknown release of livecodebench 'v6_v4'"),
        ({"release": "v1", "version": "three"}, "version three of livecodebench has no releases"),
        ({"start": "2024-08"}, "--option start=2024-08 is not a date"),
        (
            {"end": "2024-08-01", "version": "public"},
            "the records of version public of livecodebench have no date field contest_date",
        ),
        ({"version": "lite"}, "another version that the folder has: --option version=public"),
        ({}, "lacks version lite of livecodebench (livecodebench/code_generation_lite/test.jsonl); use --data hub"),
        ({"begin": "2024-08-01"}, "unknown option of task livecodebench 'begin'"),
    ],
)
def test_invalid_options_are_user_errors(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        open_task("livecodebench", release_folder(tmp_path), options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_sample_has_time_windows_but_no_releases() -> None:
    task, context = open_task("livecodebench", "sample", {"start": "2024-03-01", "end": "2024-07-14"})
    assert [problem.task_id for problem in task.problems()] == ["sample_2", "sample_3", "sample_4"]
    assert context.describe()["options"] == {"start": "2024-03-01", "end": "2024-07-14"}
    with pytest.raises(UserError, match="the sample of livecodebench has no releases"):
        open_task("livecodebench", "sample", {"release": "v1"})


def test_verdict(open_with: OpenTask) -> None:
    task, _ = open_record(open_with, PRINTS)
    completion = Completion("p_1", 0, "")
    assert task.verdict(completion, Execution({"cases": Outcome("passed")})).passed
    broken = task.verdict(completion, Execution({"cases": Outcome("infrastructure", "the tests cannot be read")}))
    assert (broken.passed, broken.status) == (False, "infrastructure")
