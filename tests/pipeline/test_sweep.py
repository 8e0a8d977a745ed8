"""A sweep runs every combination once, into folders that resume, and that the frontier joins to one curve."""

from pathlib import Path
from typing import Any

import pytest

from evalharness.adapters import open_task
from evalharness.errors import UserError
from evalharness.pipeline import validate
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.progress import SilentProgress
from evalharness.pipeline.sweep import (
    list_option_combinations,
    separate_fixed_and_swept_options,
    set_option_values,
    sweep,
)


def test_options_with_several_values_are_swept() -> None:
    fixed, swept = separate_fixed_and_swept_options(
        {"threshold": "0.5,0.7, 0.9", "recipe": "chat", "extra": '{"a": 1, "b": 2}'}
    )
    assert fixed == {"recipe": "chat", "extra": '{"a": 1, "b": 2}'}
    assert swept == {"threshold": ["0.5", "0.7", "0.9"]}


def test_every_combination_has_a_folder_of_its_own() -> None:
    found = list_option_combinations({"threshold": ["0.5", "0.9"], "steps": ["8", "16"]})
    assert [one.name for one in found] == [
        "threshold=0.5_steps=8", "threshold=0.5_steps=16", "threshold=0.9_steps=8", "threshold=0.9_steps=16",
    ]  # fmt: skip
    assert found[2].values == {"threshold": "0.9", "steps": "8"}


def test_flags_of_run_are_swept_as_flags() -> None:
    config = set_option_values(
        RunConfig("humaneval", "x", options={"a": "1"}), {"temperature": "0.5", "threshold": "0.9"}
    )
    assert config.temperature == 0.5
    assert config.options == {"a": "1", "threshold": "0.9"}
    with pytest.raises(UserError, match="not a number"):
        set_option_values(RunConfig("humaneval", "x"), {"temperature": "hot"})


def test_nothing_swept_and_values_twice() -> None:
    with pytest.raises(UserError, match="or use evalharness run"):
        separate_fixed_and_swept_options({"threshold": "0.5"})
    with pytest.raises(UserError, match="twice"):
        separate_fixed_and_swept_options({"threshold": "0.5,0.5"})


@pytest.mark.docker
def test_a_sweep_resumes_and_is_one_curve(tmp_path: Path, engine: None) -> None:
    """With the official solutions: no model is needed to sweep."""
    from evalharness.pipeline.progress import SilentProgress
    from evalharness.pipeline.sweep import sweep
    from evalharness.report.runs import load_runs

    base = RunConfig("humaneval", "reference", data="sample", limit=2, workers=1)
    swept = {"seed": ["0", "1"]}
    first = sweep([base], swept, tmp_path, SilentProgress())
    assert [folder.relative_to(tmp_path).as_posix() for folder in first] == ["seed=0/humaneval", "seed=1/humaneval"]
    before = {folder: (folder / "completions.jsonl").read_bytes() for folder in first}
    assert sweep([base], swept, tmp_path, SilentProgress()) == first
    assert {folder: (folder / "completions.jsonl").read_bytes() for folder in first} == before
    assert [run.manifest["config"]["sampling"]["seed"] for run in load_runs([tmp_path])] == [0, 1]


@pytest.mark.docker
def test_a_sweep_reads_the_data_once_and_refuses_before_the_first_run(
    engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def counted(*arguments: Any) -> Any:
        opened.append(arguments)
        return open_task(*arguments)

    monkeypatch.setattr(validate, "open_task", counted)
    base = RunConfig("humaneval", "reference", data="sample", limit=2)
    with pytest.raises(UserError, match=r"--max-new-tokens .* is not possible; it must be at least 1"):
        sweep([base], {"max_new_tokens": ["8", "0"]}, tmp_path / "refused", SilentProgress())
    assert not (tmp_path / "refused").exists()
    opened.clear()
    summaries = sweep([base], {"max_new_tokens": ["8", "9"]}, tmp_path / "runs", SilentProgress())
    assert [summary["samples"] for summary in summaries.values()] == [2, 2]
    assert len(opened) == 1
