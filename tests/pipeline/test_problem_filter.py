"""A run may be of the first problems, or of those that are named."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.problem_filter import select_problems
from evalharness.records import Problem, Prompt
from evalharness.report.run_metrics import explain_incompleteness
from evalharness.report.runs import load_runs

Command = Callable[..., "subprocess.CompletedProcess[str]"]

PROBLEMS = [Problem(f"p/{number}", Prompt(text=""), {}, None) for number in range(5)]


def test_the_first_those_named_or_all() -> None:
    assert [*select_problems(PROBLEMS, None, (), "t")] == ["p/0", "p/1", "p/2", "p/3", "p/4"]
    assert [*select_problems(PROBLEMS, 2, (), "t")] == ["p/0", "p/1"]
    assert [*select_problems(PROBLEMS, None, ("p/3", "p/1"), "t")] == ["p/1", "p/3"]


def test_what_cannot_be_chosen() -> None:
    with pytest.raises(UserError, match="t has no problem 'p/9'; give ids such as p/0"):
        select_problems(PROBLEMS, None, ("p/1", "p/9"), "t")
    with pytest.raises(UserError, match="--only and --limit"):
        select_problems(PROBLEMS, 2, ("p/1",), "t")


def test_a_run_of_named_problems_has_a_folder_of_its_own() -> None:
    names = {RunConfig("humaneval", "ar", only=only).default_folder_name() for only in ((), ("a",), ("b",))}
    assert len(names) == 3


@pytest.mark.docker
def test_named_problems_in_shards_and_merged(engine: None, tmp_path: Path, cli: Command) -> None:
    run = ("run", "--task", "humaneval", "--data", "sample", "--only", "Sample/5, Sample/2")
    whole = tmp_path / "whole"
    done = cli(*run, "--out", whole)
    assert done.returncode == 0, done.stderr
    [record] = load_runs([whole])
    assert sorted(row.task_id for row in record.verdicts()) == ["Sample/2", "Sample/5"]
    assert record.manifest["config"]["samples"]["only"] == ["Sample/2", "Sample/5"]
    assert explain_incompleteness(record) == "only 2 of 16 problems"
    for number in (1, 2):
        assert cli(*run, "--shard", f"{number}/2", "--out", tmp_path / str(number)).returncode == 0
    assert cli("merge", tmp_path / "merged", tmp_path / "1", tmp_path / "2").returncode == 0
    [merged] = load_runs([tmp_path / "merged"])
    assert merged.manifest["config"] == record.manifest["config"]
    assert explain_incompleteness(merged) == explain_incompleteness(record)
