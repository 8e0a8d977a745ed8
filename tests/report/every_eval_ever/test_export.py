"""Runs as records of Every Eval Ever: they fit its schemas, and say what the runs say."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import page_runs

from evalharness.data.runs import load_run
from evalharness.errors import UserError
from evalharness.report.every_eval_ever.export import ExportMetadata, write_every_eval_ever_records
from evalharness.report.runs import load_runs

Validator = Callable[[str], Any]


def read(data: Path, pattern: str) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    """Returns the only record of a model's folder, its samples, and its path."""
    [path] = data.glob(pattern + "/*.json")
    rows = path.with_name(f"{path.stem}_samples.jsonl").read_text().splitlines()
    return json.loads(path.read_text()), [json.loads(row) for row in rows], path


def test_records_fit_the_published_schemas(records: Path, validator: Validator) -> None:
    logs, samples = validator("eval"), validator("instance_level_eval")
    files = list(records.rglob("*.json"))
    assert len(files) == 4
    for path in files:
        logs.validate(json.loads(path.read_bytes()))
        content = path.with_name(f"{path.stem}_samples.jsonl").read_bytes()
        for line in content.splitlines():
            samples.validate(json.loads(line))


def test_scores_intervals_settings_and_latencies(records: Path, tmp_path: Path) -> None:
    log, rows, path = read(records, "humaneval-sample/org/small")
    cycling = page_runs.cycling(["passed", "failed", "timeout"], traced=True)
    run = load_run(page_runs.write_run(tmp_path / "run", "humaneval", cycling, n=2, model="org/small"))
    results = {result["evaluation_result_id"]: result for result in log["evaluation_results"]}
    rate = run.summary["metrics"]["pass@1"]
    score = results["pass@1"]["score_details"]
    assert score["score"] == rate["value"]
    interval = score["uncertainty"]["confidence_interval"]
    assert [interval["lower"], interval["upper"]] == rate["ci95"]
    assert results["pass@1"]["metric_config"]["metric_parameters"] == {"k": 1}
    speed = run.speed
    assert results["output_tokens_per_s"]["score_details"]["score"] == pytest.approx(speed["output_tokens_per_s"])
    assert results["latency_s.p90"]["score_details"]["score"] == pytest.approx(speed["latency_s"]["p90"])
    assert results["latency_s.p90"]["metric_config"]["lower_is_better"]
    assert results["pass@1"]["generation_config"]["generation_args"]["temperature"] == 0.0
    assert log["source_metadata"]["evaluator_relationship"] == "third_party"
    assert math.isclose(sum(row["evaluation"]["score"] for row in rows) / len(rows), rate["value"])
    assert rows[0]["performance"]["latency_ms"] == pytest.approx(500)
    details = log["detailed_evaluation_results"]
    file = path.with_name(f"{path.stem}_samples.jsonl")
    assert details["file_path"] == file.relative_to(records.parent).as_posix()
    assert details["checksum"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert details["total_rows"] == len(rows) == 2 * run.summary["problems"]


def test_each_score_of_a_sample_has_a_row(records: Path) -> None:
    log, rows, _ = read(records, "humaneval-plus-sample/makers/small.gguf")
    ids = {result["evaluation_result_id"] for result in log["evaluation_results"]}
    assert {row["evaluation_result_id"] for row in rows} == {"pass@1", "base_pass@1"} & ids
    by_id = {row["sample_id"]: row for row in rows if row["evaluation_result_id"] == "pass@1"}
    numbers = {int(name.rpartition("/")[2]): row for name, row in by_id.items()}
    assert 3 not in numbers
    assert numbers[1]["error"] == "HTTP 400: too long"
    assert "token_usage" not in numbers[2]
    assert numbers[2]["output"]["raw"] == ["? \x00 def"]
    assert numbers[4]["error"] == "timeout"
    assert not numbers[4]["evaluation"]["is_correct"]
    assert numbers[5]["output"]["reasoning_trace"] == ["hmm"]
    assert numbers[5]["performance"]["time_to_first_token_ms"] == pytest.approx(100)
    assert numbers[5]["answer_attribution"][0]["extraction_method"] == "whole answer"
    assert numbers[5]["token_usage"]["reasoning_tokens"] == 3


def test_a_run_has_the_same_file_each_time(tmp_path: Path) -> None:
    page_runs.write_run(tmp_path / "run", "humaneval", page_runs.cycling(["passed"]), model="org/m")
    runs = load_runs([tmp_path / "run"])
    first, second = (write_every_eval_ever_records(runs, tmp_path / "out", ExportMetadata(), print) for _ in range(2))
    assert first == second
    assert len(list((tmp_path / "out").rglob("*.json*"))) == 2


def test_without_data_there_are_no_samples_and_a_note_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALHARNESS_DATA", raising=False)
    page_runs.write_run(tmp_path / "run", "humaneval", page_runs.cycling(["passed"]), model="m")
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"origin": "sample"', '"origin": "folder /nowhere"'))
    notes: list[str] = []
    [path] = write_every_eval_ever_records(
        load_runs([tmp_path / "run"]), tmp_path / "out", ExportMetadata(), notes.append
    )
    assert "detailed_evaluation_results" not in json.loads(path.read_text())
    assert any("set $EVALHARNESS_DATA" in note for note in notes)
    assert any("--developer" in note for note in notes)


@pytest.mark.parametrize("name", ["..", "data", "a/../b", "x" * 300, "\udcff:\n*", " . ", "\u202e/x/y"])
def test_no_name_leaves_the_folder(name: str, tmp_path: Path, validator: Validator) -> None:
    page_runs.write_run(tmp_path / "run", "humaneval", page_runs.cycling(["passed"]), model=name)
    runs, evaluator = load_runs([tmp_path / "run"]), ExportMetadata(developer=name)
    [path] = write_every_eval_ever_records(runs, tmp_path / "out", evaluator, lambda text: None)
    parts = path.resolve().relative_to((tmp_path / "out").resolve()).parts
    assert (parts[:2], len(parts)) == (("data", "humaneval-sample"), 5)
    validator("eval").validate(json.loads(path.read_bytes()))


def test_official_solutions_are_of_no_model(tmp_path: Path) -> None:
    page_runs.write_run(tmp_path / "run", "humaneval", page_runs.cycling(["passed"]), backend="reference")
    with pytest.raises(UserError, match="no run has a model"):
        write_every_eval_ever_records(
            load_runs([tmp_path / "run"]), tmp_path / "out", ExportMetadata(), lambda text: None
        )


@pytest.mark.parametrize(
    ("backend", "deployment", "host"),
    [
        ({"name": "ar"}, "self_deployed", None),
        ({"name": "openai", "base_url": "http://127.0.0.1:8000/v1"}, "self_deployed", None),
        ({"name": "openai", "base_url": "http://[::1]:8000/v1"}, "self_deployed", None),
        ({"name": "openai", "base_url": "https://models.example.org/v1"}, "unknown", "models.example.org"),
        ({"name": "replay"}, "unknown", None),
    ],
)
def test_a_record_says_who_runs_the_model(
    tmp_path: Path, backend: dict[str, str], deployment: str, host: str | None
) -> None:
    page_runs.write_run(tmp_path / "run", "humaneval", page_runs.cycling(["passed"]), model="m")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    manifest["config"]["backend"] = backend
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    [path] = write_every_eval_ever_records(
        load_runs([tmp_path / "run"]), tmp_path / "out", ExportMetadata(), lambda text: None
    )
    info = json.loads(path.read_text())["model_info"]
    assert info["additional_details"]["deployment_type"] == deployment
    assert info.get("inference_platform") == host
