"""The run directory: rows are kept whole and once, whatever happens to the process that writes them."""

import json
import tempfile
import threading
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.errors import UserError
from evalharness.pipeline.store import RunStore
from evalharness.records import Completion, DecodingTrace, DraftCounts, RejectedDraft, Verdict
from evalharness.util.differences import find_differences

CONFIG = {"task": {"name": "t"}, "sampling": {"seed": 0}}
COMPLETIONS = [
    Completion("t/0", 0, "def f():\n    return 'ü ☃ \u2028'\n", output_tokens=7, started_at=1.5, total_s=0.25),
    Completion("t/0", 1, "", form="solution", finish_reason="length"),
    Completion(
        "t/1",
        0,
        "x" * 50,
        prompt_tokens=0,
        first_output_s=0.0,
        batch=2,
        trace=DecodingTrace(("x", "y"), (1, 0), (0, 0)),
    ),
]
VERDICTS = [
    Verdict("t/0", 0, passed=True, status="passed", cpu_s=0.1, wall_s=0.2, peak_mb=20.5, base_passed=True),
    Verdict("t/0", 1, passed=False, status="failed", detail="line\nbreak ü", base_passed=False),
    Verdict("t/1", 0, passed=False, status="timeout"),
]
NAMES = ("completions.jsonl", "verdicts.jsonl")


def opened(folder: Path, seed: int = 0) -> "closing[RunStore]":
    return closing(RunStore(folder, {**CONFIG, "sampling": {"seed": seed}}, {"machine": "here"}))


def fill(store: RunStore) -> None:
    for completion in COMPLETIONS:
        store.add_completion(completion)
    for verdict in VERDICTS:
        store.add_verdict(verdict)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that three completions and their verdicts were written to."""
    with opened(tmp_path / "run") as store:
        assert not store.resumed
        fill(store)
    return tmp_path / "run"


def test_rows_come_back_as_they_were(folder: Path) -> None:
    with opened(folder) as store:
        assert store.resumed
        assert list(store.completions()) == COMPLETIONS
        assert list(store.verdicts()) == VERDICTS
        assert store.completed_keys == {row.key for row in COMPLETIONS}
        assert store.graded_keys == {row.key for row in VERDICTS}


def test_every_field_comes_back_as_it_was(tmp_path: Path) -> None:
    drafts = (DraftCounts("self", 3, (3, 3), (2, 1)), DraftCounts("none", 1))
    trace = DecodingTrace(("x",), (0,), (0,), (RejectedDraft(1, 0, ("y", "z")),))
    completion = Completion(
        "t/0", 0, "x", form="solution", prompt_tokens=1, output_tokens=2, characters=3, started_at=4.0,
        first_output_s=0.5, first_output_tokens=1, prefill_s=0.1, total_s=0.6, batch=7, forwards=8, accepted_drafts=3,
        rejected_drafts=3, drafts=drafts, trace=trace, reasoning="r", reasoning_tokens=9, finish_reason="length",
        refusal="no", error="why",
    )  # fmt: skip
    verdict = Verdict(
        "t/0", 0, True, "passed", 0.1, 0.2, 20.5, "d", base_passed=True, borderline="near", extraction="block 1"
    )
    for row in (completion, verdict):
        assert [field.name for field in fields(row) if getattr(row, field.name) in (field.default, None)] == []
    with opened(tmp_path / "run") as store:
        store.add_completion(completion)
        store.add_verdict(verdict)
    with opened(tmp_path / "run") as store:
        assert (list(store.completions()), list(store.verdicts())) == ([completion], [verdict])


def test_a_row_is_written_once(folder: Path) -> None:
    before = files(folder)
    with opened(folder) as store:
        fill(store)
        fill(store)
    assert files(folder) == before


def test_rows_from_many_threads_are_all_there_and_whole(tmp_path: Path) -> None:
    with opened(tmp_path) as store:

        def write(first: int) -> None:
            for number in range(200):
                store.add_verdict(Verdict("t", first + number, passed=True, status="passed", detail="x" * number))

        threads = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200, 300)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(row.sample_id for row in store.verdicts()) == list(range(500))


def test_a_row_is_in_its_file_before_the_next_stage_sees_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.add_completion(COMPLETIONS[0])
        assert (tmp_path / "completions.jsonl").read_bytes().endswith(b"}\n")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_file_cut_at_any_byte_keeps_its_whole_rows(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with opened(folder) as store:
            fill(store)
        whole = files(folder)
        cuts = {file: data.draw(st.integers(0, len(whole[file])), label=file) for file in NAMES}
        for file, cut in cuts.items():
            (folder / file).write_bytes(whole[file][:cut])
        lines = {file: whole[file][:cut].count(b"\n") for file, cut in cuts.items()}
        with opened(folder) as store:
            assert list(store.completions()) == COMPLETIONS[: lines["completions.jsonl"]]
            assert list(store.verdicts()) == VERDICTS[: lines["verdicts.jsonl"]]
            assert len(store.completed_keys) == lines["completions.jsonl"]
            assert len(store.graded_keys) == lines["verdicts.jsonl"]
            fill(store)
        assert files(folder) == whole


def test_what_the_machine_failed_on_is_taken_out_to_be_tried_again(folder: Path) -> None:
    with opened(folder) as store:
        store.add_verdict(Verdict("t/2", 0, passed=False, status="infrastructure", detail="no engine"))
        assert len(list(store.verdicts())) == 4
    with opened(folder) as store:
        assert list(store.verdicts()) == VERDICTS
        assert ("t/2", 0) not in store.graded_keys


def test_damage_in_the_middle_is_named_and_left_alone(folder: Path) -> None:
    path = folder / "verdicts.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:-20] + b"\n" + lines[2])
    before = files(folder)
    with pytest.raises(UserError, match=r"verdicts\.jsonl, line 2 is damaged: not the JSON object of a verdict; fix"):
        opened(folder)
    assert files(folder) == before


def test_a_directory_is_held_by_one_alone(folder: Path) -> None:
    with opened(folder), pytest.raises(UserError, match="another evalharness process is writing to"):
        opened(folder)
    with opened(folder) as store:
        store.close()
        with opened(folder):
            pass


def test_another_configuration_is_refused_and_nothing_is_touched(folder: Path) -> None:
    (folder / "verdicts.jsonl").open("ab").write(b'{"torn')
    before = files(folder)
    with pytest.raises(UserError, match=r"sampling\.seed was 0, now 7; choose another folder with --out, use the old"):
        opened(folder, seed=7)
    assert files(folder) == before


def test_a_run_of_another_version_is_refused_by_version(tmp_path: Path) -> None:
    with closing(RunStore(tmp_path, {"task": "old wording", "evalharness": "0.1.0"}, {})) as store:
        fill(store)
    with pytest.raises(UserError, match=r"was written by evalharness 0\.1\.0, and this is 0\.2\.0; choose another"):
        RunStore(tmp_path, {"task": "new wording", "evalharness": "0.2.0"}, {})


def test_another_environment_is_not(folder: Path) -> None:
    with closing(RunStore(folder, CONFIG, {"machine": "there"})) as store:
        assert store.resumed


@pytest.mark.parametrize("content", [b"", b"{}", b'{"config": ', b'{"config": {}}', b"\xff"])
def test_a_manifest_that_cannot_be_read_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(
        UserError,
        match=r"manifest\.json is damaged: not a JSON object with the keys 'config' and 'environment'; choose another",
    ):
        opened(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match="holds completions, but no manifest"):
        opened(folder)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match=r"cannot write to .*; choose another folder with --out"):
            opened(folder)


def test_the_manifest_holds_configuration_and_environment(folder: Path) -> None:
    stretch = {"environment": {"machine": "here"}, "transport": {}, "samples": {}, "completions": 0}
    assert json.loads((folder / "manifest.json").read_text()) == {
        "config": CONFIG,
        "environment": {"machine": "here"},
        "stretches": [stretch],
    }


def test_differences_name_the_place_and_both_values() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "d": "x", "gone": 1}
    new = {"a": {"b": 2, "c": [1, 3]}, "d": "x", "new": {"e": "long " * 40}}
    places = list(find_differences(old, new))
    assert places[:3] == [("a.b", "1", "2"), ("a.c", "[1, 2]", "[1, 3]"), ("gone", "1", "null")]
    assert places[3][:2] == ("new", "null")
    assert len(places[3][2]) == 60


PLAIN = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_differences_are_there_exactly_where_values_differ(old: object, new: object) -> None:
    assert not list(find_differences(old, old))
    assert bool(list(find_differences(old, new))) == (old != new)
