"""Runs are read whole, and a run that version 0.1 wrote still opens everywhere."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from evalharness.data.runs import load_run

OLD = Path(__file__).with_name("run_of_0_1")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_an_old_run_has_samples_and_a_table() -> None:
    run = load_run(OLD)
    assert run.manifest["config"]["evalharness"] == "0.1.0"
    assert run.summary["metrics"]["pass@1"]["value"] == 0.0
    samples = list(run.samples())
    assert [sample.passed for sample in samples] == [False] * 3
    traces = [sample.completion.trace for sample in samples if sample.completion]
    assert all(trace and len(trace.tokens) == len(trace.steps) for trace in traces)
    assert list(run.to_pandas()["task_id"]) == [sample.task_id for sample in samples]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["leaderboard", OLD], "diffusion"),
        (["frontier", OLD, "--out", "frontier.svg"], "written to frontier.svg"),
        (["report", OLD, "--out", "page"], "index.html"),
        (["compare", OLD, OLD], "0 problems worse, 0 better"),
    ],
)
def test_reports_of_an_old_run(
    cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[object], shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli(*words)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_an_old_run_is_not_resumed_by_another_version(cli: Command, tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "run")
    done = cli("run", "--task", "humaneval", "--data", "sample", "--limit", 3, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "was written by evalharness 0.1.0" in done.stderr
