"""The bundled sample problems are consistent: references, tests, inputs, contracts and docstrings."""

import ast
import copy
import doctest
import inspect
import json
import re
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness.sandbox.languages import languages_by_image

SAMPLES = Path(__file__).parents[2] / "tasks" / "samples"
NAMES = ["humaneval", "humaneval-plus", "mbpp", "mbpp-plus"]
FIM = ["fim-single-line", "fim-multi-line", "fim-random-span", "fim-random-span-light"]
SANTACODER = ["santacoder-fim-py", "santacoder-fim-js", "santacoder-fim-java"]
MULTIPL_E = [f"multipl-e-{language}" for language in ("cpp", "java", "js", "php", "sh", "ts")]
Row = dict[str, Any]


def read(name: str) -> list[Row]:
    lines = (SAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert not [line for line in lines if line != line.strip()]
    return [json.loads(line) for line in lines]


def names(rows: list[Row]) -> list[str]:
    return [str(row["task_id"]) for row in rows]


HUMANEVAL, HUMANEVAL_PLUS, MBPP, MBPP_PLUS = (read(name) for name in NAMES)
BIGCODEBENCH = read("bigcodebench")
PLUS = HUMANEVAL_PLUS + MBPP_PLUS


def run(*parts: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "sample"}
    for part in parts:
        exec(part, space)
    return space


def reference(row: Row) -> Callable[..., Any]:
    function: Callable[..., Any] = run(row["prompt"] + row["canonical_solution"])[row["entry_point"]]
    return function


def recorder(function: Callable[..., Any], calls: list[list[Any]]) -> Callable[..., Any]:
    def record(*args: Any) -> Any:
        calls.append(copy.deepcopy(list(args)))
        return function(*args)

    return record


@pytest.mark.parametrize("row", HUMANEVAL, ids=names(HUMANEVAL))
def test_humaneval_reference_passes(row: Row) -> None:
    space = run(row["prompt"] + row["canonical_solution"], row["test"])
    space["check"](space[row["entry_point"]])
    assert row["test"].count("    assert ") >= 5


@pytest.mark.parametrize("row", HUMANEVAL, ids=names(HUMANEVAL))
def test_humaneval_examples(row: Row) -> None:
    space = run(row["prompt"] + row["canonical_solution"])
    text = space[row["entry_point"]].__doc__
    test = doctest.DocTestParser().get_doctest(text, space, row["task_id"], None, None)
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert result.attempted >= 2
    assert result.failed == 0


@pytest.mark.parametrize("row", MBPP, ids=names(MBPP))
def test_mbpp_reference_passes(row: Row) -> None:
    assert len(row["test_list"]) == 3
    run(row["code"], row["test_setup_code"], *row["test_list"], *row["challenge_test_list"])


@pytest.mark.parametrize("row", PLUS, ids=lambda row: str(row["entry_point"]))
def test_inputs_satisfy_the_contract(row: Row) -> None:
    function = reference(row)
    parameters = ", ".join(inspect.signature(function).parameters)
    imports = "\n".join(line for line in row["prompt"].splitlines() if line.startswith(("import ", "from ")))
    contract = run(f"{imports}\ndef contract({parameters}):{row['contract']}")["contract"]
    for args in row["base_input"] + row["plus_input"]:
        before = copy.deepcopy(args)
        contract(*args)
        function(*args)
        assert args == before
    assert len(row["plus_input"]) >= (15 if "test" in row else 12)


@pytest.mark.parametrize("row", PLUS, ids=lambda row: str(row["entry_point"]))
def test_base_inputs_are_the_calls_of_the_test(row: Row) -> None:
    calls: list[list[Any]] = []
    candidate = recorder(reference(row), calls)
    if "test" in row:
        run(row["test"])["check"](candidate)
    else:
        exec(row["assertion"], {row["entry_point"]: candidate})
    assert calls == row["base_input"]


def test_plus_problems_are_the_base_problems() -> None:
    assert [{key: row[key] for key in HUMANEVAL[0]} for row in HUMANEVAL_PLUS] == HUMANEVAL
    of = {f"Sample/{row['task_id']}": row for row in MBPP}
    for row in MBPP_PLUS:
        base = of[row["task_id"]]
        assert row["prompt"] == f'"""\n{base["text"]}\n{base["test_list"][0]}\n"""\n'
        assert row["canonical_solution"] == f"\n{base['code']}\n"
        assert row["assertion"] == "\n".join(base["test_list"])


def bigcodebench_module(row: Row, body: str) -> dict[str, Any]:
    return run(row["complete_prompt"] + "\n" + body)


@pytest.mark.parametrize("row", BIGCODEBENCH, ids=names(BIGCODEBENCH))
def test_bigcodebench_prompts_are_consistent(row: Row) -> None:
    space = bigcodebench_module(row, row["canonical_solution"])
    calibrated = run(f"{row['code_prompt']}\n    pass\n")
    assert inspect.signature(calibrated["task_func"]) == inspect.signature(space["task_func"])
    assert row["instruct_prompt"].endswith(f"starting with:\n```\n{row['code_prompt']}```")
    assert {name.split(".")[0] for name in json.loads(row["doc_struct"])["reqs"]} == set(ast.literal_eval(row["libs"]))
    test = doctest.DocTestParser().get_doctest(space["task_func"].__doc__, space, row["task_id"], None, None)
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert test.examples
    assert result.failed == 0


@pytest.mark.parametrize("row", BIGCODEBENCH, ids=names(BIGCODEBENCH))
def test_bigcodebench_tests_fail_on_an_empty_function(row: Row) -> None:
    space = bigcodebench_module(row, "    pass\n")
    exec(row["test"], space)
    suite = unittest.TestLoader().loadTestsFromTestCase(space["TestCases"])
    result = unittest.TestResult()
    suite.run(result)
    assert suite.countTestCases() >= 3
    assert result.failures or result.errors


@pytest.mark.parametrize("name", FIM)
def test_infilling_samples_are_parts_of_the_humaneval_sample(name: str) -> None:
    of = {row["entry_point"]: row for row in HUMANEVAL}
    rows = read(name)
    assert len({row["entry_point"] for row in rows}) == len(rows) >= 6
    for row in rows:
        base = of[row["entry_point"]]
        assert row["prompt"] + row["canonical_solution"] + row["suffix"] == base["prompt"] + base["canonical_solution"]
        assert row["prompt"].startswith(base["prompt"])
        assert row["test"] == base["test"]
        breaks = row["canonical_solution"].count("\n")
        assert {"fim-single-line": breaks == 1, "fim-multi-line": breaks > 1}.get(name, True)
    if name.startswith("fim-random-span"):
        assert any(not row["canonical_solution"].endswith("\n") for row in rows)


@pytest.mark.parametrize("language", ["py", "js", "java"])
def test_each_santacoder_sample_lacks_one_line(language: str) -> None:
    rows = read(f"santacoder-fim-{language}")
    assert len({row["name"] for row in rows}) == len(rows) >= 6
    for row in rows:
        assert row["language"] == language
        assert row["prompt"].endswith("\n")
        assert row["canonical_solution"].strip()
        assert "\n" not in row["canonical_solution"]
        if language == "py":
            run(row["prompt"] + row["canonical_solution"] + "\n" + row["suffix"], row["tests"])


@pytest.mark.parametrize("name", MULTIPL_E)
def test_multipl_e_samples_have_the_official_form(name: str) -> None:
    rows, wrong = read(name), read(f"wrong/{name}")
    language = languages_by_image()[name.removeprefix("multipl-e-")]
    assert len(rows) >= 6
    for row in rows:
        assert row["language"] == language.code
        assert len(re.findall(language.tests.line, row["tests"])) >= 5
        assert all(stop not in row["canonical_solution"] for stop in row["stop_tokens"])
    assert {row["task_id"] for row in wrong} == {row["name"] for row in rows}
    assert {row["expect"] for row in wrong} >= {"failed", "timeout", "tampered"}
    assert ("error" in {row["expect"] for row in wrong}) == (len(language.steps) > 1)


@pytest.mark.parametrize("name", [*NAMES, *FIM, *SANTACODER, "bigcodebench"])
def test_every_problem_has_a_wrong_sample(name: str) -> None:
    wrong = read(f"wrong/{name}")
    ids = "name" if name in SANTACODER else "task_id"
    assert {row["task_id"] for row in wrong} == {row[ids] for row in read(name)}
    assert len({(row["task_id"], row["sample_id"]) for row in wrong}) == len(wrong)
    assert all(("solution" in row) != ("completion" in row) for row in wrong)
    kinds = {"failed"} if name in SANTACODER else {"failed", "error", "timeout", "tampered"}
    # A sample that never ends would take BigCodeBench's limit of four minutes.
    assert {row["expect"] for row in wrong} == kinds - ({"timeout"} if name == "bigcodebench" else set())
    assert all(isinstance(row.get("base_passed"), bool) == name.endswith("-plus") for row in wrong)
