"""Runs that are written as records, the folder of the records, and the published schemas that they must fit."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import page_runs
from jsonschema import Draft202012Validator, validators

from evalharness.records import Completion, Problem, Verdict
from evalharness.report.every_eval_ever.export import ExportMetadata, write_every_eval_ever_records
from evalharness.report.runs import load_runs


def answered(problem: Problem, number: int) -> tuple[Completion, Verdict | None]:
    """Answers of each kind: with reasoning, refused, half of a surrogate, and without a verdict."""
    position = int(problem.task_id.rpartition("/")[2])
    completion, _ = page_runs.cycling(["passed"])(problem, number)
    fields = {**vars(completion), "first_output_s": 0.1, "prefill_s": 0.05, "reasoning": "hmm", "reasoning_tokens": 3}
    if position == 1:
        refused = Completion(problem.task_id, number, "", finish_reason="refused", refusal="HTTP 400: too long")
        return refused, Verdict(problem.task_id, number, False, "failed")
    if position == 2:
        fields |= {"text": "\ud800 \x00 def", "prompt_tokens": None}
    status = "infrastructure" if position == 3 else "timeout" if position == 4 else "passed"
    verdict = Verdict(problem.task_id, number, status == "passed", status, base_passed=True, extraction="whole answer")
    return Completion(**fields), verdict


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `data` of runs of models from the hub, from a file, and behind an API."""
    folder = tmp_path_factory.mktemp("records")
    runs = folder / "runs"
    cycling = page_runs.cycling(["passed", "failed", "timeout"], traced=True)
    page_runs.write_run(runs / "hub", "humaneval", cycling, n=2, model="org/small: coder", backend="diffusion")
    page_runs.write_run(runs / "hub-2", "humaneval", cycling, n=2, model="org/small", backend="ar")
    page_runs.write_run(runs / "file", "humaneval-plus", answered, model="/models/small.gguf", backend="ar")
    page_runs.write_run(runs / "lcb", "livecodebench", cycling, model="small-1", backend="openai")
    page_runs.write_run(runs / "official", "mbpp", cycling, backend="reference")
    evaluator = ExportMetadata("The Lab", "third_party", developer="makers")
    write_every_eval_ever_records(load_runs([runs]), folder, evaluator, lambda text: None)
    return folder / "data"


@pytest.fixture(scope="session")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Returns a function that returns the validator of a schema of the package `every-eval-ever`.

    They are read from its wheel, because the package excludes other packages that this project needs.
    """
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--ignore-requires-python", "--only-binary", ":all:", "--python-version", "3.12")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", *options, "-d", folder, "every-eval-ever==0.3.0"], check=True
    )
    [wheel] = folder.glob("*.whl")

    def of_schema(name: str) -> Any:
        with zipfile.ZipFile(wheel) as archive:
            schema = json.loads(archive.read(f"every_eval_ever/schemas/{name}.schema.json"))
        return validators.validator_for(schema, Draft202012Validator)(schema)

    return of_schema
