"""The report is written completely or not at all, never over other files, and without prompts if data are missing."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from helpers import page_runs

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.records import Completion, Verdict
from evalharness.report.page.entries import make_run_slugs
from evalharness.report.page.page import write_report
from evalharness.report.runs import load_runs

Command = Callable[..., Any]
CYCLE = page_runs.cycling(["passed", "failed"])


def value(page: Path, name: str) -> Any:
    """The value that a data file passes to the page."""
    text = (page.parent / "data" / f"{name}.js").read_text()
    match = re.fullmatch(r"evalharness\.receive\([^,]+,(.*)\);\n", text)
    assert match
    return json.loads(match.group(1))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One run of the bundled HumanEval sample."""
    return page_runs.write_run(tmp_path / "runs" / "one", "humaneval", CYCLE)


def test_the_command_writes_a_page_and_says_where(run: Path, tmp_path: Path, cli: Command) -> None:
    done = cli("report", run, "--out", tmp_path / "page")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path / "page" / "index.html") in done.stdout
    assert (tmp_path / "page" / "index.html").exists()
    assert cli("report", run, "--out", tmp_path / "page").returncode == 0  # an existing report is replaced
    assert [path.name for path in tmp_path.iterdir()] == ["runs", "page"] or not list(tmp_path.glob(".*"))


def test_a_folder_with_other_files_is_refused(run: Path, tmp_path: Path, cli: Command) -> None:
    for out in (run, tmp_path, run / "manifest.json"):
        done = cli("report", run, "--out", out)
        assert done.returncode == 2
        assert "is not the folder of a report; choose another folder with --out" in done.stderr
    assert (run / "completions.jsonl").exists()


def test_a_report_stays_until_the_new_one_is_complete(run: Path, tmp_path: Path) -> None:
    page = write_report(load_runs([run]), tmp_path / "page")
    before = page.read_bytes()
    with (run / "completions.jsonl").open("a") as file:
        file.write("{damaged\n")
    with pytest.raises(UserError, match="line 17 is damaged"):
        write_report(load_runs([run]), tmp_path / "page")
    assert page.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "page"}


def test_every_sample_is_written_once_with_its_completion_and_verdict(run: Path, tmp_path: Path) -> None:
    page = write_report(load_runs([run]), tmp_path / "page")
    rows = value(page, "one/rows")
    assert [problem[0] for problem in rows["problems"]] == [f"Sample/{number}" for number in range(16)]
    [record] = load_runs([run])
    completions, verdicts = ({row.key: row for row in rows} for rows in (record.completions(), record.verdicts()))
    samples = {}
    for problem, sample_id, status, tokens, seconds, chunk, index, detail, traced in rows["samples"]:
        key = (rows["problems"][problem][0], sample_id)
        sample = value(page, f"one/sample{chunk}")[index]
        completion, verdict = completions[key], verdicts[key]
        assert (sample["task_id"], sample["sample_id"], sample["text"]) == (*key, completion.text)
        assert (rows["statuses"][status], sample["status"]) == (verdict.status, verdict.status)
        assert (tokens, seconds, traced) == (completion.output_tokens, completion.total_s, 0)
        assert sample.get("detail", "") == verdict.detail
        assert verdict.detail.endswith(detail)
        samples[key] = sample
    assert samples.keys() == completions.keys()


def test_samples_without_a_verdict_or_a_completion_have_a_status(tmp_path: Path) -> None:
    failed = Verdict("Sample/1", 0, False, "infrastructure", detail="the endpoint did not answer")
    run = page_runs.write_run(
        tmp_path / "run", "humaneval", lambda problem, number: (Completion(problem.task_id, number, "x"), None)
    )
    lines = (run / "completions.jsonl").read_text().splitlines(keepends=True)
    (run / "completions.jsonl").write_text("".join(line for line in lines if '"Sample/1"' not in line))
    (run / "verdicts.jsonl").write_text(json.dumps(asdict(failed)) + "\n")
    page = write_report(load_runs([run]), tmp_path / "page")
    rows = value(page, "run/rows")
    statuses = [rows["statuses"][row[2]] for row in rows["samples"]]
    assert statuses == ["ungraded", "infrastructure", *["ungraded"] * 14]


def test_prompts_come_from_the_tasks_data(run: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    page = write_report(load_runs([run]), tmp_path / "page", note=notes.append)
    rows = value(page, "one/rows")
    chunk, index = rows["problems"][3][3]
    assert "def shelf_stock(" in value(page, f"one/prompt{chunk}")[index]["text"]
    assert notes == []


@pytest.mark.parametrize(
    ("origin", "fingerprint", "reason"),
    [
        ("hub x@main", None, "The task's data are not available here"),
        ("folder /nowhere", None, "The task's data are not available here"),
        (None, "sha256:0", "are not those of this run"),
    ],
)
def test_a_run_without_its_data_is_shown_without_prompts_and_with_the_reason(
    origin: str | None, fingerprint: str | None, reason: str, run: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("EVALHARNESS_DATA", raising=False)
    manifest = json.loads((run / "manifest.json").read_text())
    data = manifest["config"]["task"]["data"]
    manifest["config"]["task"]["name"] = "humaneval-sample" if origin is None else "humaneval"
    manifest["config"]["task"]["data"] = {
        **data, "origin": origin or data["origin"], "fingerprint": fingerprint or data["fingerprint"]
    }  # fmt: skip
    (run / "manifest.json").write_text(json.dumps(manifest))
    notes: list[str] = []
    page = write_report(load_runs([run]), tmp_path / "page", note=notes.append)
    assert reason in value(page, "runs")["runs"][0]["no_prompts"]
    assert reason in notes[0]
    assert len(value(page, "one/rows")["samples"]) == 16


def test_a_run_without_a_full_manifest_is_shown_without_prompts(run: Path, tmp_path: Path) -> None:
    (run / "manifest.json").write_text("{}")
    page = write_report(load_runs([run]), tmp_path / "page")
    assert "does not say which data" in value(page, "runs")["runs"][0]["no_prompts"]


def test_slugs_are_valid_file_names_and_unique(tmp_path: Path) -> None:
    folders = ("a/humaneval", "b/humaneval", "b/Ünï cödé", "c/x", "d/x", "e/../..")
    runs = [Run(tmp_path / folder, {}, {"task": "humaneval-sample"}) for folder in folders]
    names = make_run_slugs(runs)
    assert names[:2] == ["a-humaneval", "b-humaneval"]
    assert names[3:5] == ["x", "x-2"]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)
