"""Runs are named by their model and by the settings that differ between runs of it."""

import json
from pathlib import Path
from typing import Any

from helpers.made_runs import outcomes, write_run

from evalharness.report.naming import name_runs
from evalharness.report.runs import load_runs

GOOD = outcomes(0.5, 10)


def labels(folder: Path) -> list[str]:
    return [name.label for name in name_runs(load_runs([folder]))]


def test_a_model_is_named_by_the_last_part_of_its_id(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "org/one", GOOD)
    write_run(tmp_path / "b", "org/one", GOOD, task="mbpp")
    assert labels(tmp_path) == ["one", "one"]


def test_models_that_share_the_last_part_are_named_in_full(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "org/one", GOOD)
    write_run(tmp_path / "b", "other/one", GOOD)
    assert labels(tmp_path) == ["transformers org/one", "transformers other/one"]


def test_one_model_in_two_backends_is_named_with_the_backend(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "org/one", GOOD, backend="ar")
    write_run(tmp_path / "b", "org/one", GOOD, backend="diffusion")
    assert labels(tmp_path) == ["ar one", "diffusion one"]


def test_a_setting_that_a_run_lacks_is_not_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", GOOD, options={"rule": "threshold", "steps": None})
    write_run(tmp_path / "b", "m", GOOD, options={"rule": "confidence", "steps": 6})
    assert labels(tmp_path) == ["m (rule=threshold)", "m (rule=confidence, steps=6)"]


def test_the_reason_of_a_setting_is_not_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", GOOD, options={"draft": 0, "kernels_reason": "the fused kernels need a Hopper GPU"})
    write_run(tmp_path / "b", "m", GOOD, options={"draft": 8, "kernels_reason": "drafts run on torch"})
    assert labels(tmp_path) == ["m (draft=0)", "m (draft=8)"]


def test_only_differences_are_shown_and_equal_runs_are_named_by_folder(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", GOOD, options={"threshold": 0.5, "steps": 8})
    write_run(tmp_path / "b", "m", GOOD, options={"threshold": 0.9, "steps": 8})
    assert labels(tmp_path) == ["m (threshold=0.5)", "m (threshold=0.9)"]
    write_run(tmp_path / "c" / "x", "n", GOOD)
    write_run(tmp_path / "c" / "y", "n", GOOD)
    assert labels(tmp_path / "c") == ["n (x)", "n (y)"]


def test_the_family_of_a_model(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", GOOD, backend="openai")
    write_run(tmp_path / "b", "m2", GOOD, backend="openai", edit=lambda config: config["backend"].update(family="ar"))
    write_run(tmp_path / "c", "m3", GOOD, backend="mine", forwards=25)
    write_run(tmp_path / "d", "m4", GOOD, backend="ar", forwards=50)
    write_run(tmp_path / "e", "m5", GOOD, backend="mine", forwards=98)
    assert [name.family for name in name_runs(load_runs([tmp_path]))] == ["other", "ar", "diffusion", "ar", "other"]


def sweep(folder: Path, thresholds: tuple[float, ...] = (0.5, 0.9), **more: Any) -> None:
    for threshold in thresholds:
        write_run(folder / f"t{threshold}", "m", GOOD, options={"threshold": threshold}, **more)


def test_runs_on_other_problems_are_not_part_of_a_curve(tmp_path: Path) -> None:
    sweep(tmp_path / "a")
    sweep(tmp_path / "b", limit=10)
    sweep(tmp_path / "c", (0.5,), edit=lambda config: config["samples"].update(shard="1/2"))
    names = name_runs(load_runs([tmp_path]))
    assert [name.label for name in names] == [
        "m (threshold=0.5, problems=all)", "m (threshold=0.9, problems=all)",
        "m (threshold=0.5, problems=first 10)", "m (threshold=0.9, problems=first 10)",
        "m (threshold=0.5, problems=shard 1/2)",
    ]  # fmt: skip
    curves = [name.frontier_curve_key for name in names]
    assert curves[0] == curves[1] != curves[2] == curves[3] != curves[4] != curves[0]


def test_runs_of_long_lists_of_problems_are_distinguished(tmp_path: Path) -> None:
    for name, last in (("a", 8), ("b", 9)):
        ids = [f"HumanEval/{number}" for number in (*range(6), last)]
        sweep(tmp_path / name, (0.5,), edit=lambda config, ids=ids: config["samples"].update(only=ids))
    names = name_runs(load_runs([tmp_path]))
    assert [name.label[-9:] for name in names] == [", a/t0.5)", ", b/t0.5)"]
    assert names[0].frontier_curve_key != names[1].frontier_curve_key


def test_a_limit_beyond_the_last_problem_is_ignored(tmp_path: Path) -> None:
    sweep(tmp_path / "a", (0.5,))
    sweep(tmp_path / "b", (0.9,), limit=11)
    names = name_runs(load_runs([tmp_path]))
    assert [name.label for name in names] == ["m (threshold=0.5)", "m (threshold=0.9)"]
    assert names[0].frontier_curve_key == names[1].frontier_curve_key


def test_repetitions_within_a_sweep_are_distinguished(tmp_path: Path) -> None:
    sweep(tmp_path / "a")
    sweep(tmp_path / "b", (0.5,))
    names = name_runs(load_runs([tmp_path]))
    assert [name.label for name in names] == [
        "m (threshold=0.5, a/t0.5)", "m (threshold=0.9)", "m (threshold=0.5, b/t0.5)",
    ]  # fmt: skip
    assert [name.short_label for name in names] == ["0.5, a/t0.5", "0.9", "0.5, b/t0.5"]


def test_a_folder_named_after_task_or_backend_is_not_used(tmp_path: Path) -> None:
    for side in ("first", "second"):
        for task in ("humaneval", "mbpp"):
            write_run(tmp_path / side / task, "m", GOOD, task=f"{task}-sample")
    write_run(tmp_path / "third" / "transformers", "m", GOOD, task="mbpp-sample")
    assert labels(tmp_path) == ["m (first)", "m (first)", "m (second)", "m (second)", "m (third)"]


def test_folders_with_equal_names_are_shown_with_more_of_their_path(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "humaneval", "m", GOOD)
    write_run(tmp_path / "a" / "transformers", "m", GOOD)
    assert labels(tmp_path) == ["m (a/humaneval)", "m (a/transformers)"]


def test_a_graded_file_without_a_models_name_is_named_by_the_file(tmp_path: Path) -> None:
    """A run's own file is named by the run's folder."""
    for name, file in (("a", "/data/answers.jsonl.gz"), ("b", "/runs/first/completions.jsonl")):
        folder = write_run(tmp_path / name, "", GOOD, backend="replay", seconds=0)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["environment"]["samples_file"] = file
        (folder / "manifest.json").write_text(json.dumps(manifest))
        summary = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps({**summary, "model": None}))
    assert labels(tmp_path) == ["answers.jsonl.gz", "first"]
