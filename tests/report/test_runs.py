"""Run directories are found and loaded, and damaged or unfinished ones are refused."""

import json
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.report.runs import load_runs


def make_run(folder: Path, finished: bool = True, **summary: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"config": {}, "environment": {}}))
    if finished:
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def test_a_run_directory_is_read_with_its_rows(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", task="humaneval")
    (folder / "completions.jsonl").write_text('{"task_id": "x", "sample_id": 0, "text": "hi"}\n')
    (folder / "verdicts.jsonl").write_text('{"task_id": "x", "sample_id": 0, "passed": true, "status": "passed"}\n')
    [run] = load_runs([folder])
    assert run.summary["task"] == "humaneval"
    assert [row.text for row in run.completions()] == ["hi"]
    assert [row.passed for row in run.verdicts()] == [True]


def test_a_folder_gives_each_run_below_it_once(tmp_path: Path) -> None:
    for name in ("b/humaneval", "b/mbpp", "a"):
        make_run(tmp_path / name)
    runs = load_runs([tmp_path / "b", tmp_path, tmp_path / "a"])
    assert [run.folder.relative_to(tmp_path).as_posix() for run in runs] == ["b/humaneval", "b/mbpp", "a"]


def test_unfinished_runs_of_a_folder_are_counted_and_left_out(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", finished=False)
    notes: list[str] = []
    assert len(load_runs([tmp_path], notes.append)) == 1
    assert "1 unfinished run in" in notes[0]


@pytest.mark.parametrize("wrong", ["missing", "empty", "unfinished", "damaged", "a list"])
def test_a_folder_that_is_not_a_finished_run_is_refused(tmp_path: Path, wrong: str) -> None:
    folder = tmp_path / "a"
    if wrong == "empty":
        folder.mkdir()
    elif wrong != "missing":
        make_run(folder, finished=wrong != "unfinished")
    if wrong == "damaged":
        (folder / "summary.json").write_text("{")
    if wrong == "a list":
        (folder / "summary.json").write_text("[]")
    with pytest.raises(UserError, match=str(folder)):
        load_runs([folder])


def test_the_advice_for_a_damaged_manifest(tmp_path: Path) -> None:
    """Its command refuses a folder whose manifest it cannot read."""
    (make_run(tmp_path / "a") / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="leave out its run directory, or repeat that run with another --out"):
        load_runs([tmp_path / "a"])
