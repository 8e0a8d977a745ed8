"""Loading data from folders and samples, and recognizing official data. test_hub.py covers the hub."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.data import cards
from evalharness.data.files import read_records
from evalharness.data.loading import LoadedData, load_records
from evalharness.data.sources import parse_data_source
from evalharness.data.splits import select_records_of_split
from evalharness.data.versions import find_version
from evalharness.errors import UserError

ROWS: list[dict[str, Any]] = [
    {
        "task_id": f"HumanEval/{number}",
        "prompt": f"def f{number}(x):\n",
        "entry_point": f"f{number}",
        "canonical_solution": "    return x\n",
        "test": "def check(f):\n    assert f('é') == 'é'\n",
    }
    for number in (0, 2, 10)
]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes rows in the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    texts = {".gz": gzip.compress(lines), ".jsonl": lines, ".json": json.dumps(rows).encode()}
    path.write_bytes(texts[path.suffix])


def humaneval(folder: Path, rows: list[dict[str, Any]]) -> LoadedData:
    write(folder / "humaneval" / "HumanEval.jsonl.gz", rows)
    return load_records(*cards.find_task("humaneval"), None, folder)


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_option_overrides_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALHARNESS_DATA", raising=False)
    assert parse_data_source(None) == "hub"
    monkeypatch.setenv("EVALHARNESS_DATA", str(tmp_path))
    assert parse_data_source(None) == tmp_path
    assert parse_data_source("hub") == "hub"
    assert parse_data_source("sample") == "sample"
    with pytest.raises(UserError, match=r"nowhere \(--data or \$EVALHARNESS_DATA\) does not exist") as caught:
        parse_data_source(str(tmp_path / "nowhere"))
    one_line(caught)


@pytest.mark.data
def test_every_version_has_its_fingerprint(datasets_dir: Path) -> None:
    for card in cards.load_cards():
        for entry in card.tasks.values():
            for name, version in entry.versions.items():
                for split in entry.splits if version.has_files_per_split else [None]:
                    chosen = find_version(entry, name, split)
                    if not all((datasets_dir / file).exists() for file in chosen.file):
                        assert version.hub  # the folder need not have what the hub has
                        continue
                    loaded = load_records(card, entry, name, datasets_dir, split)
                    assert len(loaded.records) == chosen.problems, (entry.name, name)
                    assert loaded.is_official, (entry.name, name, split, loaded.fingerprint)
                    assert loaded.origin == f"folder {datasets_dir}"
                    assert (
                        not version.has_files_per_split
                        or select_records_of_split(entry, loaded.records, split) == loaded.records
                    )


@pytest.mark.data
def test_mbpp_splits(datasets_dir: Path) -> None:
    card, entry = cards.find_task("mbpp")
    records = load_records(card, entry, None, datasets_dir).records
    sizes = {name: len(select_records_of_split(entry, records, name)) for name in entry.splits}
    assert sizes == {"prompt": 10, "test": 500, "validation": 90, "train": 374, "all": 974}
    assert select_records_of_split(entry, records, None) == select_records_of_split(entry, records, "test")
    sanitized = load_records(card, entry, "sanitized", datasets_dir).records
    assert len(select_records_of_split(entry, sanitized, None)) == 257
    with pytest.raises(UserError, match="unknown split of mbpp 'tests'; did you mean test"):
        select_records_of_split(entry, records, "tests")


def test_a_task_without_splits_has_no_split_names() -> None:
    _, entry = cards.find_task("humaneval")
    assert select_records_of_split(entry, ROWS, None) == ROWS
    with pytest.raises(UserError, match="unknown split of humaneval 'test'"):
        select_records_of_split(entry, ROWS, "test")


def test_unknown_version() -> None:
    card, entry = cards.find_task("humaneval-plus")
    with pytest.raises(UserError, match=r"unknown version of humaneval-plus 'v0\.1\.8'; did you mean v0\.1\.9"):
        load_records(card, entry, "v0.1.8", Path())


def test_records_are_sorted_by_id_and_unofficial_data_are_recognized(tmp_path: Path) -> None:
    loaded = humaneval(tmp_path, ROWS[::-1])
    assert loaded.records == ROWS
    assert not loaded.is_official


def test_the_fingerprint_depends_on_the_cards_fields_alone(tmp_path: Path) -> None:
    plain = humaneval(tmp_path, ROWS).fingerprint
    noted = [{**dict(reversed(row.items())), "note": "not a field of the card"} for row in ROWS]
    assert humaneval(tmp_path, noted).fingerprint == plain
    assert humaneval(tmp_path, [{**ROWS[0], "test": ""}, *ROWS[1:]]).fingerprint != plain
    assert humaneval(tmp_path, ROWS[:2]).fingerprint != plain


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "contain no records"),
        ([ROWS[0], ROWS[0]], "contain two records with the id HumanEval/0"),
        ([{**ROWS[0], "task_id": 1}, {"task_id": 2}], "contain a record 2 without the fields prompt, entry_point"),
        ([{"prompt": ""}], "contain a record None without the fields task_id"),
    ],
)
def test_invalid_records_are_user_errors(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        humaneval(tmp_path, rows)
    one_line(caught)


def test_errors_name_a_missing_folder_or_file(tmp_path: Path) -> None:
    task = cards.find_task("humaneval")
    with pytest.raises(UserError, match=r"gone \(--data or \$EVALHARNESS_DATA\) does not exist"):
        load_records(*task, None, tmp_path / "gone")
    with pytest.raises(UserError, match=r"HumanEval\.jsonl\.gz is missing") as caught:
        load_records(*task, None, tmp_path)
    one_line(caught)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json"])
def test_every_file_format_gives_the_same_records(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, ROWS)
    assert read_records(tmp_path / name) == ROWS


def test_json_objects_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a/1": {"x": 1}, "a/2": {"x": 2}}')
    assert read_records(tmp_path / "a.json") == [{"task_id": "a/1", "x": 1}, {"task_id": "a/2", "x": 2}]
    (tmp_path / "a.jsonl").write_text('\n{"x": 1}\n\n')
    assert read_records(tmp_path / "a.jsonl") == [{"x": 1}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"x": 1}\n{"x": \n', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl", b'{"x": 1}\n[1]\n', r"a\.jsonl, line 2: the record is not a JSON object"),
        ("a.jsonl", b'{"x": "\xff"}\n', r"a\.jsonl, line 1: not JSON"),
        ("a.jsonl", b"[" * 100_000, r"a\.jsonl, line 1: not JSON"),
        ("a.json", b'[\n{"x": 1},\n{"x" 1}]', r"a\.json: not JSON \(line 3: "),
        ("a.json", b"[1]", r"a\.json, entry 1: the record is not a JSON object"),
        ("a.json", b'{"a": 1}', r"a\.json, entry 'a': the record is not a JSON object"),
        ("a.json", b'"x"', r"a\.json: neither a JSON list of records nor an object"),
        ("a.jsonl.gz", gzip.compress(b'{"x": 1}\n', mtime=0)[:-12], r"a\.jsonl\.gz cannot be read"),
    ],
)
def test_errors_name_a_damaged_file(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_records(tmp_path / name)
    one_line(caught)


def test_a_task_selects_its_records_from_data_of_several_tasks(tmp_path: Path) -> None:
    card, entry = cards.find_task("santacoder-fim-js")
    fields = dict.fromkeys(entry.versions["v1.0"].fields, "x")
    rows = [{**fields, "name": str(number), "language": ["py", "js"][number % 2]} for number in range(4)]
    write(tmp_path / entry.versions["v1.0"].file[0], rows)
    loaded = load_records(card, entry, None, tmp_path)
    assert [record["task_id"] for record in loaded.records] == ["1", "3"]
    write(tmp_path / entry.versions["v1.0"].file[0], rows[::2])
    with pytest.raises(UserError, match="contain no records"):
        load_records(card, entry, None, tmp_path)


def test_samples_are_beside_the_card_and_never_official(tmp_path: Path) -> None:
    card, entry = cards.find_task("humaneval")
    card = card.model_copy(update={"folder": tmp_path})
    with pytest.raises(UserError, match="no sample data are bundled for humaneval; use --data"):
        load_records(card, entry, None, "sample")
    write(tmp_path / "samples" / "humaneval.jsonl", ROWS)
    loaded = load_records(card, entry, None, "sample")
    assert (loaded.records, loaded.origin, loaded.is_official) == (ROWS, "sample", False)


def test_a_sample_has_the_default_version_only() -> None:
    with pytest.raises(
        UserError, match="the bundled sample of mbpp has no version 'sanitized'; leave out --option version="
    ):
        load_records(*cards.find_task("mbpp"), "sanitized", "sample")


@pytest.mark.parametrize(
    "name",
    [
        "humaneval",
        "mbpp",
        "humaneval-plus",
        "mbpp-plus",
        "livecodebench",
        "bigcodebench",
        *cards.expand_task_names("fim,santacoder-fim"),
    ],
)
def test_bundled_samples_have_the_official_form(name: str) -> None:
    card, entry = cards.find_task(name)
    loaded = load_records(card, entry, None, "sample")
    assert loaded.records
    assert not loaded.is_official
