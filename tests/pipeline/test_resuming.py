"""What may differ when a run goes on, what a run directory may hold, and how the manifest records each stretch."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.data.run_files import read_manifest
from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.resuming.folders import check_multi_task_folder, check_no_unrelated_files, check_overwritable
from evalharness.pipeline.resuming.same_run import TRANSPORT_OPTIONS, read_resumable_manifest
from evalharness.pipeline.resuming.stretches import join_run_stretches, measurement_conditions_of_run
from evalharness.pipeline.store import RunStore
from evalharness.records import Completion, Verdict

HARDWARE = {"processor": "a processor", "cores": 2}


def config(n: int = 1, limit: int | None = 2, seed: int = 0, **backend: Any) -> Any:
    described = {"name": "openai", "model": "m", "concurrency": 8, "base_url": "http://a/v1", **backend}
    return {"backend": described, "sampling": {"seed": seed}, "samples": {"n": n, "limit": limit}}


def environment(**more: Any) -> Any:
    return {"hardware": HARDWARE, "workers": 2, **more}


def opened(folder: Path, configuration: Any, **more: Any) -> "closing[RunStore]":
    return closing(RunStore(folder, configuration, environment(), **more))


def rows(store: RunStore, count: int) -> None:
    """Adds completions with verdicts until there are `count`."""
    for number in range(len(store.completed_keys), count):
        store.add_completion(Completion("t", number, "x"))
        store.add_verdict(Verdict("t", number, passed=True, status="passed"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run directory with two samples."""
    with opened(tmp_path / "run", config()) as store:
        rows(store, 2)
    return tmp_path / "run"


@pytest.mark.parametrize("option", TRANSPORT_OPTIONS)
def test_options_of_the_transport_may_differ(folder: Path, option: str) -> None:
    assert read_resumable_manifest(folder, config(**{option: "another"}))


@pytest.mark.parametrize("option", ["model", "stream", "extra", "max_stops"])
def test_other_options_of_the_backend_may_not(folder: Path, option: str) -> None:
    with pytest.raises(UserError, match=rf'backend\.{option} was .*, now "another"; choose another folder with'):
        read_resumable_manifest(folder, config(**{option: "another"}))


LIMITS = st.none() | st.integers(1, 50)


@given(st.tuples(st.integers(1, 9), LIMITS), st.tuples(st.integers(1, 9), LIMITS))
def test_a_run_can_grow_and_not_shrink(tmp_path_factory: Any, old: Any, new: Any) -> None:
    folder = tmp_path_factory.mktemp("run")
    with opened(folder, config(*old)) as store:
        rows(store, 1)
    grows = new[0] >= old[0] and (new[1] or 10**9) >= (old[1] or 10**9)
    if grows:
        assert read_resumable_manifest(folder, config(*new))
    else:
        with pytest.raises(
            UserError, match=r"samples\.(n|limit) was .*; --n and --limit of a run can only grow; choose"
        ):
            read_resumable_manifest(folder, config(*new))


def test_each_stretch_that_works_is_recorded(folder: Path) -> None:
    (folder / "summary.json").write_text("{}")
    before = (folder / "manifest.json").read_bytes()
    with opened(folder, config(concurrency=16)) as store:
        store.record_resumption([("t", 0), ("t", 1)])
    assert (folder / "manifest.json").read_bytes() == before
    assert (folder / "summary.json").exists()
    with opened(folder, config(n=3, concurrency=16, base_url="http://b/v1")) as store:
        store.record_resumption([("t", number) for number in range(3)])
        assert not (folder / "summary.json").exists()
        rows(store, 3)
        store.record_adjusted_options({"max_tokens_field": "max_completion_tokens"})
    manifest = read_manifest(folder)
    first, second = manifest["stretches"]
    assert (first["transport"]["concurrency"], second["transport"]["concurrency"]) == (8, 16)
    assert (first["completions"], second["completions"]) == (0, 2)
    assert (first["samples"]["n"], second["samples"]["n"]) == (1, 3)
    assert "adjusted" not in first
    assert second["adjusted"] == {"max_tokens_field": "max_completion_tokens"}
    assert manifest["config"]["samples"]["n"] == 3
    assert measurement_conditions_of_run(manifest, 3) == {
        "mixed": {"concurrency": [8, 16], "endpoint": ["http://a/v1", "http://b/v1"]}
    }


def test_conditions_are_mixed_only_where_completions_were_made(folder: Path) -> None:
    with opened(folder, config(n=3, concurrency=16)) as store:
        store.record_resumption([("t", 2)])
    conditions = measurement_conditions_of_run(read_manifest(folder), 2)
    assert "mixed" not in conditions
    assert conditions["concurrency"] == 8


def test_joined_runs_are_mixed_where_their_stretches_differ(tmp_path: Path) -> None:
    manifests = []
    for number, concurrency in enumerate((8, 16)):
        with opened(tmp_path / str(number), config(concurrency=concurrency)) as store:
            rows(store, 1)
        manifests.append(read_manifest(tmp_path / str(number)))
    joined: Any = {**manifests[0], "stretches": join_run_stretches(manifests, [1, 1])}
    assert measurement_conditions_of_run(joined, 2)["mixed"] == {"concurrency": [8, 16]}


def test_a_directory_with_only_a_manifest_is_taken_over(tmp_path: Path) -> None:
    opened(tmp_path, config()).__enter__().close()
    for content in (None, b"{", json.dumps({"config": {"evalharness": "0.0.1"}}).encode()):
        if content:
            (tmp_path / "manifest.json").write_bytes(content)
        (tmp_path / "completions.jsonl").write_bytes(b'{"torn')
        assert not read_resumable_manifest(tmp_path, config(seed=7))
        with opened(tmp_path, config(seed=7)) as store:
            assert not store.resumed
        assert read_manifest(tmp_path)["config"]["sampling"]["seed"] == 7


def test_a_directory_with_failures_of_the_infrastructure_alone_is_taken_over(tmp_path: Path) -> None:
    with opened(tmp_path, config()) as store:
        store.add_verdict(Verdict("t", 0, passed=False, status="infrastructure", detail="HTTP 502"))
    with opened(tmp_path, config(seed=7)) as store:
        assert not store.resumed
        assert not list(store.verdicts())
        store.add_verdict(Verdict("t", 0, passed=False, status="failed", detail='"status": "infrastructure"'))
    with pytest.raises(UserError, match="holds a run with another configuration"):
        opened(tmp_path, config())


def test_overwrite_deletes_the_run_alone(folder: Path) -> None:
    (folder / "summary.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    with opened(folder, config(seed=7), overwrite=True) as store:
        assert not store.resumed
        assert len(store.completed_keys) == len(store.graded_keys) == 0
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "manifest.json", "notes.txt"]


def test_overwrite_waits_for_no_process_and_deletes_nothing_of_it(folder: Path) -> None:
    with opened(folder, config()), pytest.raises(UserError, match="another evalharness process"):
        opened(folder, config(), overwrite=True)
    assert read_resumable_manifest(folder, config())


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    foreign, runs = tmp_path / "foreign", tmp_path / "runs"
    check_no_unrelated_files(foreign)
    foreign.mkdir()
    (foreign / ".lock").touch()
    check_no_unrelated_files(foreign)
    check_multi_task_folder(foreign)
    (foreign / "thesis.tex").touch()
    for check in (check_no_unrelated_files, check_multi_task_folder, lambda path: check_overwritable(path, None)):
        with pytest.raises(
            UserError, match=r"is not empty and is no run directory \(thesis\.tex\); choose a new folder with --out"
        ):
            check(foreign)
    for task in ("humaneval", "mbpp"):
        opened(runs / task, config()).__enter__().close()
    with pytest.raises(UserError, match=r"has runs of several tasks \(humaneval, mbpp\); give one of their folders"):
        check_no_unrelated_files(runs)
    check_multi_task_folder(runs)
    with pytest.raises(UserError, match="is the run directory of one task; choose another folder with --out for"):
        check_multi_task_folder(runs / "mbpp")


def test_overwrite_does_not_delete_the_samples_to_grade(folder: Path) -> None:
    with pytest.raises(UserError, match=r"would delete the samples file .*completions\.jsonl; write to another"):
        check_overwritable(folder, str(folder / "completions.jsonl"))
    check_overwritable(folder, str(folder.parent / "samples.jsonl"))


def test_the_default_folder_is_the_same_with_more_patience() -> None:
    def name(**options: str) -> str:
        return RunConfig("humaneval", "openai", "m", options=options).default_folder_name()

    assert name(timeout_s="9", max_retries="0", retry_base_s="1", idle_timeout_s="5") == name()
    assert name(concurrency="9") != name()
