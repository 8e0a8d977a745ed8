"""Data from the hub and the evalplus package, without a network: local servers replace both.

The libraries read the environment at import, so each case loads in a new process.
"""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.fake_hub import FakeHub, dead_url, load, parquet, readme
from helpers.humaneval_repo import HUMANEVAL, humaneval_repo

from evalharness.data import cards
from evalharness.data.evalplus_release import load_evalplus_records
from evalharness.data.files import read_records
from evalharness.data.loading import load_records
from evalharness.data.splits import select_records_of_split
from evalharness.errors import UserError

SPLITS = ["prompt", "train", "validation", "test"]
MBPP = [
    {
        "task_id": number,
        "text": "Write a function that returns its argument.",
        "code": "def f(x):\r\n\treturn x",
        "test_list": ["assert f(1) == 1", 'assert f("é") == "é"'],
        "test_setup_code": "",
        "challenge_test_list": ["assert f(2) == 2"] if number == 601 else [],
    }
    for number in (1, 11, 511, 601)
]
SANITIZED = [
    {
        "task_id": number,
        "source_file": "notebook",
        "prompt": "Write a function that returns its argument.",
        "code": "def f(x):\n  return x",
        "test_imports": ["import math"] if number == 11 else [],
        "test_list": ["assert f(1) == 1"],
    }
    for number in (2, 11, 512, 602)
]
PLUS = [
    {
        "task_id": f"Mbpp/{number}",
        "prompt": '"""\nReturn the argument.\n"""\n',
        "entry_point": "f",
        "canonical_solution": "\ndef f(x):\n    return x\n",
        "assertion": "\nassert f(1) == 1",
        "contract": "",
        "base_input": [[1], [-0.0]],
        "plus_input": [[{"a": [10**30]}], ["é"]],
        "atol": 0,
    }
    for number in (2, 10)
]


def mbpp_repo(full: list[dict[str, Any]], sanitized: list[dict[str, Any]]) -> dict[str, Any]:
    _, entry = cards.find_task("mbpp")
    hub = entry.versions["full"].hub
    assert hub is not None
    files = {"README.md": readme({"full": SPLITS, "sanitized": SPLITS})}
    for config, rows in (("full", full), ("sanitized", sanitized)):
        for split in SPLITS:
            part = select_records_of_split(entry, rows, split)
            files[f"{config}/{split}-00000-of-00001.parquet"] = parquet(part)
    return {hub.repo: (hub.revision, files)}


VERSIONS = [("humaneval", "v1.0"), ("mbpp", "full"), ("mbpp", "sanitized")]


@pytest.fixture(scope="module")
def cached_hub(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[dict[str, Any]]]:
    """A folder with caches that a hub filled before it ended, the hub's address, and the loaded data."""
    home = tmp_path_factory.mktemp("home")
    with FakeHub({**humaneval_repo(HUMANEVAL), **mbpp_repo(MBPP, SANITIZED)}) as hub:
        return home, hub.url, load(home, *((*version, "hub") for version in VERSIONS), HF_ENDPOINT=hub.url)


def test_hub_and_files_give_equal_records_and_fingerprints(
    cached_hub: tuple[Path, str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    for folder in ("humaneval", "mbpp"):
        (tmp_path / folder).mkdir()
    lines = "".join(f"{json.dumps(row)}\n" for row in HUMANEVAL).encode()
    (tmp_path / "humaneval/HumanEval.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "mbpp/mbpp.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in MBPP))
    (tmp_path / "mbpp/sanitized-mbpp.json").write_text(json.dumps(SANITIZED))
    for (task, version), remote in zip(VERSIONS, cached_hub[2], strict=True):
        local = load_records(*cards.find_task(task), version, tmp_path)
        assert remote["records"] == local.records
        assert remote["fingerprint"] == local.fingerprint
        assert not remote["is_official"]
        assert remote["origin"].startswith("hub ")


def test_cached_data_need_no_hub(cached_hub: tuple[Path, str, list[dict[str, Any]]]) -> None:
    home, url, before = cached_hub
    assert load(home, *((*version, "hub") for version in VERSIONS), HF_ENDPOINT=url) == before


def test_a_loading_script_does_not_run(tmp_path: Path) -> None:
    hub_source = cards.find_task("livecodebench")[1].versions["lite"].hub
    assert hub_source is not None
    fields = cards.find_task("livecodebench")[1].versions["lite"].fields
    rows = [{name: f"{name} {number}" for name in fields} for number in range(6)]
    files = {name: f"{json.dumps(row)}\n".encode() for name, row in zip(hub_source.files, rows, strict=True)}
    files |= {"README.md": b"", "code_generation_lite.py": b"raise SystemExit('a script was run')"}
    with FakeHub({hub_source.repo: (hub_source.revision or "", files)}) as hub:
        (loaded,) = load(tmp_path, ("livecodebench", "lite", "hub"), HF_ENDPOINT=hub.url)
        assert not any("code_generation_lite.py" in request for request in hub.requests)
    assert [row["question_id"] for row in loaded["records"]] == [row["question_id"] for row in rows]
    assert loaded["origin"] == f"hub {hub_source.repo}@{hub_source.revision}"
    assert not loaded["is_official"]
    again, missing = load(
        tmp_path, ("livecodebench", "lite", "hub"), ("livecodebench", "full", "hub"), HF_ENDPOINT=dead_url()
    )
    assert again == loaded
    assert "the Hugging Face hub does not provide livecodebench/code_generation (ConnectError" in missing["error"]


@pytest.mark.data
def test_official_data_from_the_hub_are_recognized(tmp_path: Path, datasets_dir: Path) -> None:
    humaneval = read_records(datasets_dir / "humaneval" / "HumanEval.jsonl.gz")
    full = read_records(datasets_dir / "mbpp" / "mbpp.jsonl")
    sanitized = read_records(datasets_dir / "mbpp" / "sanitized-mbpp.json")
    wanted = [("humaneval", None, "hub"), ("mbpp", "full", "hub"), ("mbpp", "sanitized", "hub")]
    with FakeHub({**humaneval_repo(humaneval), **mbpp_repo(full, sanitized)}) as hub:
        loaded = load(tmp_path, *wanted, HF_ENDPOINT=hub.url)
    assert [result["is_official"] for result in loaded] == [True, True, True]
    assert [result["records"] for result in loaded] == [humaneval, full, sanitized]


INFILLING = [
    {
        "task_id": f"SingleLineInfilling/HumanEval/{number}/L0",
        "entry_point": "f",
        "prompt": "def f(x):\n",
        "suffix": "    return y\n",
        "canonical_solution": "    y = x\n",
        "test": "def check(f):\n    assert f('é') == 'é'\n",
    }
    for number in range(3)
]
SANTACODER = [
    {
        "name": f"{number}-L1",
        "language": language,
        "prompt": "f(x)\n",
        "suffix": "\n",
        "canonical_solution": "y",
        "tests": "f(1)",
    }
    for number in (10, 2)
    for language in ("py", "js")
]


def test_a_configuration_can_be_a_folder_and_a_task_a_part_of_the_rows(tmp_path: Path) -> None:
    """As on the branch with the hub's converted data: no README, and one folder per configuration."""
    other = [{**row, "task_id": f"Other/{number}"} for number, row in enumerate(INFILLING)]
    files = {
        "HumanEval-SingleLineInfilling/test/0000.parquet": parquet(INFILLING),
        "HumanEval-MultiLineInfilling/test/0000.parquet": parquet(other),
    }
    santacoder = cards.find_task("santacoder-fim-js")[1].versions["v1.0"].hub
    assert santacoder is not None
    repos = {
        "loubnabnl/humaneval_infilling": ("1" * 40, files),
        santacoder.repo: (santacoder.revision, {"data/train-00000-of-00001.parquet": parquet(SANTACODER)}),
    }
    with FakeHub(repos) as hub:
        wanted = (("fim-single-line", None, "hub"), ("santacoder-fim-js", None, "hub"))
        infilling, javascript = load(tmp_path, *wanted, HF_ENDPOINT=hub.url)
    assert infilling["records"] == INFILLING
    assert [row["task_id"] for row in javascript["records"]] == ["2-L1", "10-L1"]
    assert {row["language"] for row in javascript["records"]} == {"js"}


def test_a_cached_copy_of_another_revision_is_rejected(cached_hub: tuple[Path, str, list[dict[str, Any]]]) -> None:
    home, url, _ = cached_hub
    kept = home / "hf" / "datasets" / "openai___openai_humaneval" / "openai_humaneval" / "0.0.0"
    for path in kept.iterdir():
        path.rename(kept / path.name.replace("7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544", "0" * 40))
    (refused,) = load(home, ("humaneval", None, "hub"), HF_ENDPOINT=url)
    assert "the Hugging Face hub does not provide openai/openai_humaneval (ConnectError" in refused["error"]


def test_an_unreachable_hub_fails_fast_and_no_folder_replaces_it(tmp_path: Path) -> None:
    (tmp_path / "openai" / "openai_humaneval").mkdir(parents=True)
    start = time.monotonic()
    dead, hidden = load(tmp_path, ("mbpp", None, "hub"), ("humaneval", None, "hub"), HF_ENDPOINT=dead_url())
    assert time.monotonic() - start < 8
    assert "the Hugging Face hub does not provide google-research-datasets/mbpp (ConnectError" in dead["error"]
    assert "--data DIR" in dead["error"]
    assert "\n" not in dead["error"]
    assert "the local folder openai/openai_humaneval would be loaded instead of the hub's" in hidden["error"]


def test_a_hub_without_the_data_set_or_with_other_columns(tmp_path: Path) -> None:
    other = [{"task_id": "HumanEval/0", "prompt": "def f(x):\n"}]
    with FakeHub(humaneval_repo(other)) as hub:
        wrong, missing = load(tmp_path, ("humaneval", None, "hub"), ("mbpp", None, "hub"), HF_ENDPOINT=hub.url)
    assert "record HumanEval/0 without the fields entry_point, canonical_solution, test" in wrong["error"]
    assert "the Hugging Face hub does not provide google-research-datasets/mbpp" in missing["error"]
    assert "\n" not in missing["error"]


def test_evalplus_from_its_cache_an_override_and_without_network(tmp_path: Path) -> None:
    lines = "".join(f"{json.dumps(row)}\n" for row in PLUS)
    cache = tmp_path / "xdg" / "evalplus"
    cache.mkdir(parents=True)
    (cache / "MbppPlus-v0.1.0.jsonl").write_text(lines)
    (tmp_path / "mine.jsonl").write_text(lines)
    cached, override, dead = load(
        tmp_path,
        ("mbpp-plus", "v0.1.0", "hub"),
        ("mbpp-plus", None, "hub"),
        ("mbpp-plus", "v0.2.0-noextreme", "hub"),
        MBPP_OVERRIDE_PATH="mine.jsonl",
        https_proxy=dead_url(),
    )
    assert (cached["records"], cached["origin"]) == (PLUS, "evalplus MbppPlus v0.1.0 full")
    assert (override["records"], override["origin"]) == (PLUS, "MBPP_OVERRIDE_PATH mine.jsonl")
    assert override["fingerprint"] == cached["fingerprint"]
    assert "MbppPlus-NoExtreme.jsonl.gz cannot be downloaded (" in dead["error"]
    assert "\n" not in dead["error"]
    assert sorted(path.name for path in cache.iterdir()) == ["MbppPlus-v0.1.0.jsonl"]


@pytest.fixture
def evalplus_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of the evalplus package, which does not exist yet."""
    utils = pytest.importorskip("evalplus.data.utils")
    monkeypatch.setattr(utils, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def serve_release(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Makes the evalplus package download its release files from `url`."""
    from evalplus.data import utils

    official = utils.get_dataset_metadata

    def local(*args: Any) -> tuple[str, str]:
        address, path = official(*args)
        return f"{url}/{address.partition('/releases/download/')[2]}", path

    monkeypatch.setattr(utils, "get_dataset_metadata", local)


def test_evalplus_downloads_the_requested_version(
    evalplus_cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = cards.find_task("humaneval-plus")[1].versions["v0.1.9"].evalplus
    assert source is not None
    packed = gzip.compress("".join(f"{json.dumps(row)}\n" for row in PLUS).encode())
    with FakeHub(plain={"/v0.1.9/HumanEvalPlus.jsonl.gz": packed}) as hub:
        serve_release(monkeypatch, hub.url)
        assert load_evalplus_records(source) == PLUS
        assert load_evalplus_records(source) == PLUS
        assert hub.requests == ["GET /v0.1.9/HumanEvalPlus.jsonl.gz"]
    assert [path.name for path in evalplus_cache.iterdir()] == ["HumanEvalPlus-v0.1.9.jsonl"]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("served", [b"not gzip", gzip.compress(b"{}" * 5000, mtime=0)[:-20], None])
def test_an_incomplete_download_is_not_stored(
    evalplus_cache: Path, monkeypatch: pytest.MonkeyPatch, served: bytes | None
) -> None:
    source = cards.find_task("mbpp-plus")[1].versions["v0.2.0"].evalplus
    assert source is not None
    with FakeHub(plain={"/v0.2.0/MbppPlus.jsonl.gz": served} if served else {}) as hub:
        serve_release(monkeypatch, hub.url)
        with pytest.raises(UserError, match=r"MbppPlus\.jsonl\.gz cannot be downloaded") as caught:
            load_evalplus_records(source)
    assert "\n" not in str(caught.value)
    assert not evalplus_cache.exists() or not list(evalplus_cache.iterdir())
