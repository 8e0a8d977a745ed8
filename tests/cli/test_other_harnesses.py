"""`grade` reads the files of other harnesses, raw answers, standard input, and any encoding that a file declares."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness.util.paths import bundled_folder

Command = Callable[..., Any]
RECORDS = [
    json.loads(line) for line in (bundled_folder("tasks") / "samples" / "humaneval.jsonl").read_text().splitlines()
][:2]
PROGRAMS = [record["prompt"] + record["canonical_solution"] for record in RECORDS]
GRADE = ("grade", "--task", "humaneval", "--data", "sample")


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


SOLUTIONS = jsonl([{"task_id": record["task_id"], "solution": program} for record, program in zip(RECORDS, PROGRAMS, strict=True)])  # fmt: skip  # noqa: E501


def graded(cli: Command, samples: object, out: Path, *options: object) -> dict[str, bool]:
    done = cli(*GRADE, "--samples", samples, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    return {f"{row['task_id']}#{row['sample_id']}": row["passed"] for row in rows}


EXPECTED = {f"{record['task_id']}#0": True for record in RECORDS}


@pytest.mark.docker
def test_a_raw_answer_goes_through_the_recipes_extraction(cli: Command, engine: None, tmp_path: Path) -> None:
    answer = f"Here it is:\n```python\n{PROGRAMS[0]}```\nDone."
    (tmp_path / "a.jsonl").write_text(jsonl([{"task_id": "Sample/0", "answer": answer}]))
    found = graded(cli, tmp_path / "a.jsonl", tmp_path / "run", "--option", "recipe=chat")
    assert found == {"Sample/0#0": True}


@pytest.mark.docker
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gzip-by-content.jsonl", gzip.compress(SOLUTIONS.encode(), mtime=0)),
        ("utf-16.jsonl", SOLUTIONS.encode("utf-16")),
        ("mark.jsonl.gz", gzip.compress(SOLUTIONS.encode("utf-8-sig"), mtime=0)),
    ],
)
def test_encoding_and_compression_are_recognized_by_content(
    name: str, content: bytes, cli: Command, engine: None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert graded(cli, tmp_path / name, tmp_path / "run") == EXPECTED


@pytest.mark.docker
def test_standard_input_is_read(cli: Command, engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SOLUTIONS.encode())))
    assert graded(cli, "-", tmp_path / "run") == EXPECTED


@pytest.mark.docker
def test_evalplus_folders_lm_eval_and_bigcode_outputs_are_read(cli: Command, engine: None, tmp_path: Path) -> None:
    folder = tmp_path / "evalplus"
    for record, program in zip(RECORDS, PROGRAMS, strict=True):
        name = record["task_id"].replace("/", "_")
        (folder / name).mkdir(parents=True)
        (folder / name / "0.py").write_text(program)
        (folder / name / "10.py").write_text("wrong")
    (folder / "results.json").write_text("{}")
    assert graded(cli, folder, tmp_path / "run1") == {
        f"{record['task_id']}#{number}": number == 0 for record in RECORDS for number in (0, 10)
    }
    rows = [
        {"doc_id": number, "doc": record, "resps": [[record["canonical_solution"], "    pass"]], "filtered_resps": []}
        for number, record in enumerate(RECORDS)
    ]
    (tmp_path / "samples_humaneval.jsonl").write_text(jsonl(rows))
    assert graded(cli, tmp_path / "samples_humaneval.jsonl", tmp_path / "run2") == {
        f"{record['task_id']}#{number}": number == 0 for record in RECORDS for number in (0, 1)
    }
    (tmp_path / "generations.json").write_text(json.dumps([[program] for program in PROGRAMS]))
    assert graded(cli, tmp_path / "generations.json", tmp_path / "run3") == EXPECTED


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.jsonl.gz",
            b"{}\n",
            "cannot be read: the file's name ends in .gz, but the content is not gzip-compressed; give JSON lines",
        ),
        (
            "a.json",
            b'[{"task_id": "Sample/0"}]',
            "is a JSON array, but not of bigcode-evaluation-harness (a list",
        ),
        ("a.json", b"[[1]]", "is a JSON array, but not of"),
        ("a.json", json.dumps([["x"]] * 99).encode(), "has generations for more problems than the 16 of this task"),
        ("a.jsonl", b'{"doc": {}, "resps": [["x"]]}\n', "line 1: this lm-eval sample has no doc.task_id"),
        (
            "a.jsonl",
            b'{"task_id": "Sample/0", "answer": "x", "solution": "y"}\n',
            "both a solution and an answer",
        ),
        ("a.jsonl", b"\xff\xfe{\x00\x00\xdc", "cannot be read: "),
        ("empty", None, "has no EvalPlus results such as HumanEval_0/0.py; give JSON lines"),
    ],
)
def test_the_true_cause_is_named(name: str, content: bytes | None, message: str, cli: Command, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    done = cli(*GRADE, "--samples", path, "--out", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.docker
def test_the_leaderboard_may_be_json(cli: Command, engine: None, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text(SOLUTIONS)
    graded(cli, tmp_path / "answers.jsonl", tmp_path / "run")
    done = cli("leaderboard", tmp_path / "run", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    [row] = json.loads(done.stdout)
    assert (row["model"], row["task"], row["value"], row["high"]) == ("answers.jsonl", "humaneval", 1.0, 1.0)


@pytest.mark.docker
def test_the_leaderboard_may_be_records_of_every_eval_ever(cli: Command, engine: None, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text(SOLUTIONS)
    graded(cli, tmp_path / "answers.jsonl", tmp_path / "run")
    command = ("leaderboard", tmp_path / "run", "--format", "every-eval-ever")
    done = cli(*command, "--developer", "me", "--out", tmp_path / "records")
    assert (done.returncode, done.stderr) == (0, "")
    [path] = (tmp_path / "records" / "data" / "humaneval-sample" / "me" / "answers.jsonl").glob("*.json")
    assert done.stdout == f"written to {path}\n"
    record = json.loads(path.read_text())
    assert record["evaluation_results"][0]["score_details"]["score"] == 1.0
    samples = path.with_name(f"{path.stem}_samples.jsonl").read_text().splitlines()
    assert record["detailed_evaluation_results"]["total_rows"] == len(samples) == len(SOLUTIONS.splitlines())
    for more, message in [
        ((), "writes a folder; give it with --out DIR"),
        (("--out", tmp_path / "x", "--relationship", "boss"), "give one of first_party, third_party"),
        (("--out", tmp_path / "x", "--published", "all"), "leave --published out"),
        (("--out", tmp_path / "answers.jsonl"), "choose another folder with --out"),
    ]:
        done = cli(*command, *more)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    done = cli("leaderboard", tmp_path / "run", "--developer", "me")
    assert (done.returncode, done.stdout) == (2, "")
    assert "need --format every-eval-ever" in done.stderr
