"""Tasks from a card and a file of records alone: `--task FILE.yaml`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalharness.data.cards.files import read_card

Command = Callable[..., Any]
CARD: dict[str, Any] = {
    "name": "words",
    "data": "words.jsonl",
    "fields": {"task_id": "id", "prompt": "question", "tests": "checks", "solution": "answer", "entry_point": "meta.f"},
    "recipe": {"user": "{prompt}\nAnswer with a code block."},
}
RECORDS = [
    {
        "id": "w/1",
        "question": "Write shout(text).",
        "checks": ["assert shout('a') == 'A!'", "assert shout('') == '!'"],
        "answer": "def shout(text):\n    return text.upper() + '!'\n",
        "meta": {"f": "shout"},
    },
    {
        "id": "w/2",
        "question": "Write vowels(text).",
        "checks": "assert vowels('Education') == 5",
        "answer": "def vowels(text):\n    return sum(letter in 'aeiou' for letter in text.lower())\n",
        "meta": {"f": "vowels"},
    },
]


def write_card(folder: Path, changes: Mapping[str, Any] | None = None, records: list[Any] | None = None) -> Path:
    """Writes card and records; a value None in `changes` removes the key."""
    card = {key: value for key, value in {**CARD, **(changes or {})}.items() if value is not None}
    (folder / "words.yaml").write_text(yaml.safe_dump(card))
    (folder / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records or RECORDS))
    return folder / "words.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EVALHARNESS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.docker
def test_a_card_and_a_file_of_records_are_a_task(folder: Path, cli: Command, engine: None) -> None:
    write_card(folder)
    done = cli("run", "--task", "words.yaml", "--out", "out")
    assert done.returncode == 0, done.stderr
    summary = json.loads(Path("out/summary.json").read_text())
    assert (summary["task"], summary["recipe"], summary["problems"]) == ("words", "chat", 2)
    assert (summary["metrics"]["pass@1"]["value"], summary["official_data"]) == (1, True)


@pytest.mark.docker
def test_answers_are_graded_and_the_report_shows_the_prompts(folder: Path, cli: Command, engine: None) -> None:
    card = write_card(folder)
    texts = [
        "```python\ndef shout(text):\n    return text.upper() + '!'\n```",
        "```python\ndef vowels(t): return 1\n```",
    ]
    rows = [
        {"task_id": record["id"], "text": text, "form": "answer"} for record, text in zip(RECORDS, texts, strict=True)
    ]
    Path("samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = cli("grade", "--task", card, "--samples", "samples.jsonl", "--out", "out")
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in Path("out/verdicts.jsonl").read_text().splitlines()]
    assert {row["task_id"]: row["status"] for row in verdicts} == {"w/1": "passed", "w/2": "failed"}
    done = cli("report", "out", "--out", "page")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Answer with a code block" in (Path("page/data/out/prompt0.js")).read_text()


@pytest.mark.docker
def test_the_function_that_the_tests_call_is_extracted(folder: Path, cli: Command, engine: None) -> None:
    """Without entry_point, and with a block behind the solution."""
    write_card(folder, {"fields": {"task_id": "id", "prompt": "question", "tests": "checks"}})
    answer = "First:\n```python\n{}```\nUse it:\n```python\nx = 3\n```"
    rows = [{"task_id": row["id"], "text": answer.format(row["answer"]), "form": "answer"} for row in RECORDS]
    Path("samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = cli("grade", "--task", "words.yaml", "--samples", "samples.jsonl", "--out", "out")
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in Path("out/verdicts.jsonl").read_text().splitlines()]
    assert [(row["passed"], row["extraction"]) for row in verdicts] == [(True, "fenced block 1 of 2")] * 2


@pytest.mark.docker
def test_shards_of_a_card_are_merged(folder: Path, cli: Command, engine: None) -> None:
    write_card(folder)
    for part in (1, 2):
        assert cli("run", "--task", "words.yaml", "--shard", f"{part}/2", "--out", f"part{part}").returncode == 0
    done = cli("merge", "whole", "part1", "part2")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("whole/summary.json").read_text())["samples"] == 2


@pytest.mark.docker
def test_records_without_ids_are_numbered_and_prompts_may_be_continued(
    folder: Path, cli: Command, engine: None
) -> None:
    changes = {
        "fields": {"prompt": "stem", "test": "test", "completion": "body", "entry_point": "name"},
        "recipe": {"prompt": "{prompt}", "stops": ["\ndef"]},
        "tests": "{test}\ncheck({entry_point})",
        "time_s": 2,
    }
    record = {
        "stem": "def add(a, b):\n",
        "body": "    return a + b\n",
        "name": "add",
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3",
    }
    write_card(folder, changes, [record, {**record, "body": "    return 3\n"}])
    done = cli("run", "--task", "words.yaml", "--out", "out")
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in Path("out/verdicts.jsonl").read_text().splitlines()]
    assert {row["task_id"]: row["passed"] for row in verdicts} == {"words/0": True, "words/1": True}
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["config"]["task"]["rules"]["time_s"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "not a task card: add the key 'name' (for one task) or the key 'tasks'"),
        ({"data": None}, "data: missing"),
        ({"fields": None}, "fields: missing"),
        ({"recipe": None}, "recipe: missing"),
        ({"name": "a b"}, "name: "),
        ({"name": "humaneval"}, "the name 'humaneval' is used more than once for tasks or task groups; choose"),
        ({"recipes": {}}, "recipes: unknown key; did you mean recipe?"),
        ({"recipe": {"users": "x"}}, "recipe.users: unknown key; did you mean user?"),
        ({"recipe": {"stops": []}}, "recipe: a recipe needs exactly one of the keys 'user' (for a chat model) and"),
        ({"recipe": {"user": "{prompt}", "max_new_tokens": 0}}, "recipe.max_new_tokens: Input should be greater than"),
        (
            {"recipe": {"user": "{text}"}},
            "the template 'user' uses no field of the records; write one of the card's fields in braces: {",
        ),
        ({"recipe": {"user": "{prompt}", "extraction": "fences"}}, "unknown extraction rule 'fences'; did you mean"),
        ({"tests": "assert"}, "the template 'tests' uses no field"),
        ({"data": "nowhere.jsonl"}, "nowhere.jsonl is missing"),
        ({"data": "nowhere_pack:words.jsonl"}, "uses data of the package nowhere_pack, which is not installed"),
        (
            {"fields": {"prompt": "quest", "tests": "checks"}},
            "without the fields quest (the card's prompt); it has id, question,",
        ),
        ({"image": "pyton"}, "unknown sandbox image 'pyton'; did you mean python?"),
        ({"image": "js"}, "which tests in JavaScript need; change the tests to"),
        ({"time_s": "soon"}, "time_s: Input should be a valid number"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_in_a_card_is_one_line_that_names_the_field(
    changes: dict[str, Any], message: str, folder: Path, cli: Command
) -> None:
    write_card(folder, changes)
    done = cli("run", "--task", "words.yaml", "--out", "out")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("none.yaml", "the task card cannot be used: none.yaml cannot be read: No such file or directory"),
        ("words.yaml:others", "unknown task of words.yaml 'others'"),
    ],
)
def test_a_card_that_is_not_there_is_one_line(task: str, message: str, folder: Path, cli: Command) -> None:
    write_card(folder)
    done = cli("run", "--task", task)
    assert done.returncode == 2
    assert message.split()[-1] in done.stderr
    assert done.stderr.count("\n") == 1


def test_several_data_folders_are_searched_in_order(
    folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in [("one", "a.jsonl"), ("two", "b.jsonl")]:
        (folder / name).mkdir()
        (folder / name / file).write_text(json.dumps({"task_id": f"{name}/0"}) + "\n")
    card = {
        "adapter": "card",
        "image": "python",
        "recipes": {"p": {"kind": "completion", "fields": {"prompt": "{task_id}"}, "extraction": "as_it_is",
                          "max_new_tokens": 1}},
        "rules": {"time_s": 1, "memory_mb": 64, "tests": "{task_id}"},
        "tasks": {
            name: {"versions": {"v1": {"file": file, "fields": ["task_id"]}}}
            for name, file in [("a", "a.jsonl"), ("b", "b.jsonl")]
        },
    }  # fmt: skip
    (folder / "tasks.yaml").write_text(yaml.safe_dump(card))
    model = ("--backend", "openai", "--model", "m")
    run = ("run", "--task", "tasks.yaml:b", "--dry-run", *model)
    assert "two/0" in cli(*run, "--data", "one:two").stdout
    monkeypatch.setenv("EVALHARNESS_DATA", f"{folder / 'one'}:{folder / 'two'}")
    assert "two/0" in cli(*run).stdout
    assert "one/0" in cli("run", "--task", "tasks.yaml:a", "--dry-run", *model).stdout
    done = cli(*run, "--data", "one:three")
    message = (
        "error: data folder three (--data or $EVALHARNESS_DATA) does not exist; give another, or use --data hub or "
        "--data sample\n"
    )
    assert (done.returncode, done.stderr) == (2, message)


def test_the_card_of_the_documentation_is_valid() -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "task_card" / "words.yaml"
    assert list(read_card(example).tasks) == ["words"]
