"""Disks that are full, read-only or gone, and clocks that jump: one clear line, and what is done is kept."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.own_engine import until

from evalharness.errors import UserError
from evalharness.pipeline.store import RunStore, remove_incomplete_line
from evalharness.records import Verdict
from evalharness.util import clock

RUN = [sys.executable, "-c", "from evalharness.cli.main import main; main()", "run", "--task", "mbpp", "--data"]
SAMPLES, PROBLEMS = 40, 16
BIG = Verdict("t", 0, passed=True, status="passed", detail="x" * 3000)


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount(folder, "size=32k")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(store: RunStore) -> None:
    for number in range(100):
        store.add_verdict(replace(BIG, sample_id=number))


def command(out: Path, data: str = "sample") -> list[str]:
    return [*RUN, data, "--limit", str(PROBLEMS), "--n", str(SAMPLES), "--out", str(out)]


def run(out: Path, data: str = "sample") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(out, data), capture_output=True, text=True)


def keys(out: Path, name: str = "verdicts") -> list[tuple[str, int]]:
    lines = (out / f"{name}.jsonl").read_text().splitlines()
    return [(row["task_id"], row["sample_id"]) for row in map(json.loads, lines)]


def assert_whole(out: Path) -> None:
    """Nothing is lost and nothing doubled."""
    for name in ("completions", "verdicts"):
        assert len(keys(out, name)) == len(set(keys(out, name))) == SAMPLES * PROBLEMS


@pytest.mark.slow
@pytest.mark.docker
def test_a_full_disk_ends_the_run_with_its_rows_and_room_lets_it_go_on(engine: None, small_disk: Path) -> None:
    out = small_disk / "run"
    done = run(out)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: cannot write to {out}")
    assert last.endswith(": No space left on device; free some space, then run the same command again")
    assert "Traceback" not in done.stderr
    kept = keys(out, "completions")
    assert kept
    mount(small_disk, "remount,size=4m")
    assert run(out).returncode == 0
    assert keys(out, "completions")[: len(kept)] == kept
    assert_whole(out)


def test_rows_that_other_threads_add_after_a_failure_are_refused_too(small_disk: Path) -> None:
    with closing(RunStore(small_disk / "run", {}, {})) as store:
        with pytest.raises(UserError, match="No space left"):
            fill(store)
        with pytest.raises(UserError, match="No space left"):
            store.add_verdict(Verdict("small", 0, passed=True, status="passed"))
        whole = list(store.verdicts())
        assert (small_disk / "run" / "verdicts.jsonl").read_bytes().endswith(b"\n")
    with closing(RunStore(small_disk / "run", {}, {})) as store:
        assert list(store.verdicts()) == whole != []


def test_a_full_disk_leaves_the_old_summary(small_disk: Path) -> None:
    with closing(RunStore(small_disk / "run", {}, {})) as store:
        store.write_summary({"task": "old"})
        with pytest.raises(UserError, match="free some space, then run the same command again"):
            store.write_summary({"task": "new" * 100_000})
    assert json.loads((small_disk / "run" / "summary.json").read_text()) == {"task": "old"}
    assert not (small_disk / "run" / "summary.json.new").exists()


def test_read_only_output_is_refused_before_any_work(small_disk: Path) -> None:
    with closing(RunStore(small_disk / "run", {}, {})):
        pass
    mount(small_disk, "remount,ro")
    for out in (small_disk / "run", small_disk / "new"):
        with pytest.raises(UserError, match=r"Read-only file system; choose another folder with --out"):
            RunStore(out, {}, {})


def test_an_output_folder_that_vanishes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalharness.pipeline.store.SYNC_INTERVAL_S", -1.0)
    store = RunStore(tmp_path / "run", {}, {})
    store.add_verdict(BIG)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(UserError, match="No such file or directory; fix the cause"):
        store.add_verdict(Verdict("t", 1, passed=True, status="passed"))
    store.close()


def test_an_output_folder_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "run", {}, {})
    store.add_verdict(BIG)
    (tmp_path / "run").rename(tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", tmp_path / "run")
    with pytest.raises(UserError, match=r"\.jsonl was replaced by another file"):
        store.close()
    with closing(RunStore(tmp_path / "moved", {}, {})) as again:  # it was let go all the same
        assert list(again.verdicts()) == [BIG]


@pytest.mark.slow
@pytest.mark.docker
def test_a_data_folder_that_vanishes_costs_nothing_and_is_told_at_the_next_start(
    engine: None, datasets_dir: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    (data / "mbpp").mkdir(parents=True)
    shutil.copy(datasets_dir / "mbpp" / "mbpp.jsonl", data / "mbpp")
    process = subprocess.Popen(command(out, str(data)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: (out / "completions.jsonl").exists())
    data.rename(tmp_path / "elsewhere")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert_whole(out)
    again = run(out, str(data))
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert f"data folder {data} (--data or $EVALHARNESS_DATA) does not exist; give another" in again.stderr
    (data).mkdir()
    again = run(out, str(data))
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "mbpp.jsonl" in again.stderr
    assert_whole(out)


@pytest.mark.parametrize("jump", [-7200.0, 7200.0])
def test_a_clock_that_is_set_changes_no_time_between(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    before, real = clock.now(), time.time
    assert abs(before - real()) < 60
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert 0 <= clock.now() - before < 60


@pytest.mark.parametrize("rest", [b"", b'{"torn', b"x" * 200_000])
@pytest.mark.parametrize("lines", [b"", b"one\n", b"one\n" * 40_000])
def test_a_torn_line_of_any_length_is_cut_off(tmp_path: Path, lines: bytes, rest: bytes) -> None:
    path = tmp_path / "rows"
    remove_incomplete_line(path)
    assert not path.exists()
    path.write_bytes(lines + rest)
    remove_incomplete_line(path)
    assert path.read_bytes() == lines
    assert os.listdir(tmp_path) == ["rows"]
