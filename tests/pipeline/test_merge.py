"""Shards: disjoint, together the whole, and joined into what a single run leaves; refused where they do not fit."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.errors import UserError
from evalharness.metrics.tokenizing import BUNDLED
from evalharness.pipeline.shard import Shard, parse_shard
from evalharness.records import Problem, Prompt, Request
from evalharness.report.run_metrics import explain_incompleteness, hardware_text
from evalharness.report.runs import load_runs

Command = Callable[..., "subprocess.CompletedProcess[str]"]
RUN = ("run", "--task", "mbpp", "--data", "sample", "--n", "3", "--workers", "2")
SHARDS = 3
TIMES = ("cpu_s", "wall_s", "peak_mb")


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows without what differs from one run to the next."""
    found = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in found]


def in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: (row["task_id"], row["sample_id"]))


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return {key: value for key, value in found.items() if key != "speed"}


@given(st.integers(1, 12), st.integers(1, 4), st.data())
def test_shards_are_disjoint_and_together_the_whole(problems: int, samples: int, data: st.DataObject) -> None:
    of = data.draw(st.integers(1, problems))
    every = [
        Request(Problem(str(place), Prompt(text=""), {}, None), sample)
        for place in range(problems)
        for sample in range(samples)
    ]
    shares = [Shard(number, of).select_requests(every) for number in range(1, of + 1)]
    assert sorted(one.key for share in shares for one in share) == sorted(one.key for one in every)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= samples
    with pytest.raises(UserError, match=f"at most {problems} shards"):
        Shard(1, problems + 1).select_requests(every)


@pytest.mark.parametrize("text", ["", "3", "0/7", "8/7", "-1/7", "a/b", "1/7/2", "1.5/7", "0/0"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not I/N"):
        parse_shard(text)
    assert str(parse_shard("2/7")) == "2/7"


@pytest.fixture(scope="module")
def runs(engine: None, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole run, and the same in three shards."""
    folder = tmp_path_factory.mktemp("runs")
    for out, more in [("whole", ()), *((str(i), ("--shard", f"{i}/{SHARDS}")) for i in range(1, SHARDS + 1))]:
        done = command(*RUN, *more, "--out", folder / out)
        assert done.returncode == 0, done.stderr
    return folder


def shards(runs: Path) -> list[Path]:
    return [runs / str(number) for number in range(1, SHARDS + 1)]


@pytest.mark.docker
def test_merged_shards_equal_one_run(runs: Path, tmp_path: Path, cli: Command) -> None:
    done = cli("merge", tmp_path / "merged", *reversed(shards(runs)))
    assert done.returncode == 0, done.stderr
    merged, whole = tmp_path / "merged", runs / "whole"
    assert rows(merged, "completions.jsonl") == rows(whole, "completions.jsonl")
    assert rows(merged, "verdicts.jsonl") == in_order(rows(merged, "verdicts.jsonl"))
    assert rows(merged, "verdicts.jsonl") == in_order(rows(whole, "verdicts.jsonl"))
    assert summary(merged) == summary(whole)
    configs = [json.loads((folder / "manifest.json").read_text())["config"] for folder in (merged, whole)]
    assert configs[0] == configs[1]


@pytest.mark.docker
def test_merged_speeds_are_counted_by_the_runs_tokenizer_and_say_that_they_are_merged(
    engine: None, tmp_path: Path, cli: Command
) -> None:
    run = ("run", "--task", "mbpp", "--data", "sample", "--limit", 4, "--backend", "ar", "--max-new-tokens", 4)
    for number in (1, 2):
        done = cli(*run, "--shard", f"{number}/2", "--tokenizer", BUNDLED, "--out", tmp_path / str(number))
        assert done.returncode == 0, done.stderr
    assert cli("merge", tmp_path / "merged", tmp_path / "1", tmp_path / "2").returncode == 0
    speed = json.loads((tmp_path / "merged" / "summary.json").read_text())["speed"]
    assert speed["tokenizer"] == str(BUNDLED)
    assert speed["conditions"]["merged_runs"] == 2
    [record] = load_runs([tmp_path / "merged"])
    assert explain_incompleteness(record) == "only the first 4 of 16 problems"
    assert explain_incompleteness(load_runs([tmp_path / "1"])[0]) == "only 2 of 16 problems"
    assert hardware_text(record).endswith("(2 merged runs)")
    assert cli(*run, "--shard", "2/2", "--out", tmp_path / "2").returncode == 0
    done = cli("merge", tmp_path / "again", tmp_path / "1", tmp_path / "2")
    assert done.returncode == 2
    assert "different tokenizers" in done.stderr


@pytest.mark.docker
def test_a_merged_run_is_resumed_as_any_other(runs: Path, tmp_path: Path, cli: Command) -> None:
    done = cli("merge", tmp_path / "merged", *shards(runs)[:-1])
    assert done.returncode == 1
    assert "15 of 48 samples without a verdict; missing shards: 3/3" in done.stderr
    assert cli(*RUN, "--out", tmp_path / "merged").returncode == 0
    assert in_order(rows(tmp_path / "merged", "verdicts.jsonl")) == in_order(rows(runs / "whole", "verdicts.jsonl"))


@pytest.mark.docker
def test_another_shard_in_the_same_directory_is_refused(runs: Path, cli: Command) -> None:
    done = cli(*RUN, "--shard", "2/3", "--out", runs / "1")
    assert done.returncode == 2
    assert 'samples.shard was "1/3", now "2/3"' in done.stderr


@pytest.mark.docker
def test_what_does_not_fit_is_refused_and_nothing_written(runs: Path, tmp_path: Path, cli: Command) -> None:
    other = tmp_path / "other"
    assert cli(*RUN, "--seed", 5, "--shard", "3/3", "--out", other).returncode == 0
    assert cli(*RUN, "--shard", "3/4", "--out", tmp_path / "fourth").returncode == 0
    first = shards(runs)[0]
    for given_runs, words in (
        ((first, other), "sampling.seed differs in manifest.json (0, 5); leave one of them out"),
        ((first, tmp_path / "fourth"), "different numbers of shards (3, 4); give runs whose --shard"),
        ((first, runs / "whole"), "overlap: both have sample 0 of"),
        ((first, first), "given twice"),
        ((first, tmp_path / "nowhere"), "contains no run"),
    ):
        done = cli("merge", tmp_path / "merged", *given_runs)
        assert done.returncode == 2, given_runs
        assert words in done.stderr
        assert not (tmp_path / "merged").exists()
    assert "not empty" in cli("merge", runs / "whole", *shards(runs)).stderr


@pytest.mark.docker
def test_a_torn_last_row_of_a_killed_shard_counts_as_missing(runs: Path, tmp_path: Path, cli: Command) -> None:
    torn = Path(shutil.copytree(runs / "3", tmp_path / "3"))
    data = (torn / "verdicts.jsonl").read_bytes()
    (torn / "verdicts.jsonl").write_bytes(data[:-5])
    (torn / "summary.json").unlink()
    done = cli("merge", tmp_path / "merged", *shards(runs)[:-1], torn)
    assert done.returncode == 1
    assert f"1 of 48 samples without a verdict; {torn} is not finished" in done.stderr


@pytest.mark.docker
def test_folders_of_several_tasks_and_graded_files(runs: Path, tmp_path: Path, cli: Command) -> None:
    samples = tmp_path / "samples.jsonl"
    lines = [{"task_id": row["task_id"], "solution": row["text"]} for row in rows(runs / "whole", "completions.jsonl")]
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    grade = ("grade", "--task", "mbpp", "--data", "sample", "--samples", samples)
    for number in (1, 2):
        assert cli(*grade, "--shard", f"{number}/2", "--out", tmp_path / str(number) / "mbpp").returncode == 0
    assert cli(*grade, "--out", tmp_path / "whole").returncode == 0
    assert cli("merge", tmp_path / "merged", tmp_path / "1", tmp_path / "2").returncode == 0
    merged = tmp_path / "merged" / "mbpp"
    assert in_order(rows(merged, "verdicts.jsonl")) == in_order(rows(tmp_path / "whole", "verdicts.jsonl"))
    assert summary(merged) == summary(tmp_path / "whole")
