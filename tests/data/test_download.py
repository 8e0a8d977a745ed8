"""`evalharness data pull` from a local hub: data are downloaded, verified, stored and loaded from the folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.fake_hub import FakeHub, dead_url
from helpers.humaneval_repo import HUMANEVAL, humaneval_repo

from evalharness.cli.listing.tasks import describe_data_location
from evalharness.data import cards
from evalharness.data.files import read_records
from evalharness.data.loading import load_records
from evalharness.data.versions import path_of_pulled_data
from evalharness.errors import UserError

MAIN = "from evalharness.cli.main import main; main()"
TASK = cards.find_task("humaneval")


def pull(home: Path, url: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """Runs the command in a new process, because the hub's library reads its settings at import."""
    kept = {name: value for name, value in os.environ.items() if name != "EVALHARNESS_DATA"}
    environment = {**kept, "HF_ENDPOINT": url, "HF_HOME": str(home / "hf")}
    command = [sys.executable, "-c", MAIN, "data", "pull", *map(str, words)]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=120)


@pytest.mark.data
def test_pulled_data_are_loaded_from_the_folder(tmp_path: Path, datasets_dir: Path) -> None:
    records, folder = read_records(datasets_dir / "humaneval" / "HumanEval.jsonl.gz"), tmp_path / "data"
    assert describe_data_location(TASK[1], folder) == "on the hub"
    with FakeHub(humaneval_repo(records)) as hub:
        done = pull(tmp_path, hub.url, "humaneval", "--dir", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "humaneval v1.0: 164 problems in" in done.stdout
    assert f"export EVALHARNESS_DATA={folder}" in done.stdout
    assert describe_data_location(TASK[1], folder) == "here"
    loaded = load_records(*TASK, None, folder)
    assert loaded.is_official
    assert loaded.records == records

    again = pull(tmp_path, dead_url(), "humaneval", "--dir", folder)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    [kept] = (folder / "pulled").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    broken = pull(tmp_path, dead_url(), "humaneval", "--dir", folder)
    assert broken.returncode == 2
    assert f"not available: {kept} cannot be read" in broken.stdout


def test_pull_rejects_data_with_another_fingerprint(tmp_path: Path) -> None:
    with FakeHub(humaneval_repo(HUMANEVAL)) as hub:
        done = pull(tmp_path, hub.url, "humaneval")
    assert done.returncode == 2
    assert "are not those that the task card expects" in done.stdout
    assert not (tmp_path / "data").exists()


def test_pull_continues_after_data_that_are_not_available(tmp_path: Path) -> None:
    done = pull(tmp_path, dead_url(), "humaneval", "mbpp", "--all-versions")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "humaneval v1.0",
        "mbpp full",
        "mbpp sanitized",
    ]
    assert "check the network" in done.stdout
    assert "--data" not in done.stdout
    assert done.stderr == ""


def test_a_folder_that_is_not_writable(tmp_path: Path, datasets_dir: Path) -> None:
    (tmp_path / "file").write_text("")
    records = read_records(datasets_dir / "humaneval" / "HumanEval.jsonl.gz")
    with FakeHub(humaneval_repo(records)) as hub:
        done = pull(tmp_path, hub.url, "humaneval", "--dir", tmp_path / "file")
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write")
    assert "--dir" in done.stderr


def test_official_files_take_precedence_over_pulled_ones(tmp_path: Path) -> None:
    card, entry = TASK
    pulled = path_of_pulled_data(entry, entry.versions["v1.0"], tmp_path)
    official = tmp_path / "humaneval" / "HumanEval.jsonl"
    for path, count in ((pulled.with_suffix(""), 1), (official, 2)):
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{json.dumps(row)}\n" for row in HUMANEVAL[:count]))
    for path in (pulled.with_suffix(""), official):
        subprocess.run(["gzip", path], check=True)
    assert len(load_records(card, entry, None, tmp_path).records) == 2
    official.with_suffix(".jsonl.gz").unlink()
    assert len(load_records(card, entry, None, tmp_path).records) == 1


def test_published_files_are_pulled_unchanged(tmp_path: Path) -> None:
    """For a version without checksums in the card."""
    card, entry = cards.find_task("livecodebench")
    version = entry.versions["full"]
    assert version.hub is not None
    line = json.dumps(dict.fromkeys(version.fields, "x")).encode() + b"\n"
    with FakeHub({version.hub.repo: ("0" * 40, {"README.md": b"", "test.jsonl": line})}) as hub:
        done = pull(tmp_path, hub.url, "livecodebench", "--all-versions")
    folder = tmp_path / "data"
    assert "livecodebench full: 1 problem in data/livecodebench/code_generation" in done.stdout
    lite = "livecodebench lite: not available: the Hugging Face hub does not provide livecodebench/code_generation_lite"
    assert lite in done.stdout
    assert "public" not in done.stdout  # It is not published.
    assert (folder / version.file[0]).read_bytes() == line
    assert len(load_records(card, entry, "full", folder).records) == 1


def test_no_other_version_takes_the_place_of_the_default_one(tmp_path: Path) -> None:
    """A folder with the public tests alone, or with an older version, is refused with what it has."""
    for name, default, older in (("livecodebench", "lite", "public"), ("bigcodebench-hard", "v0.1.4", "v0.1.0_hf")):
        card, entry = cards.find_task(name)
        for file in entry.versions[older].file:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        with pytest.raises(UserError) as refused:
            load_records(card, entry, None, tmp_path)
        assert str(refused.value).startswith(f"the data folder {tmp_path} lacks version {default} of {name} (")
        assert str(refused.value).endswith(
            f"use --data hub, or another version that the folder has: --option version={older}"
        )
