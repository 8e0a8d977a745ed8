"""Rates by kind of problem: kinds in their own order, and no table that two runs on other problems share."""

from pathlib import Path
from typing import Any

from helpers import page_runs

from evalharness.data.runs import Run
from evalharness.report.naming import name_runs
from evalharness.report.page.breakdowns import make_breakdown_tables
from evalharness.report.page.entries import RunEntry
from evalharness.report.problems import RunProblems
from evalharness.report.runs import load_runs

HALF = {"value": 0.5, "ci95": [0.4, 0.6]}


def entries(runs: list[Run]) -> list[RunEntry]:
    named = zip(runs, name_runs(runs), strict=True)
    return [RunEntry(run, f"run-{index}", name, RunProblems()) for index, (run, name) in enumerate(named)]


def made(task: str, model: str = "m", facets: dict[str, Any] | None = None, **more: Any) -> Run:
    summary = {
        "task": task, "backend": "ar", "model": model, "version": "v1", "recipe": "chat", "split": None, "options": {},
        "official_data": True, "metrics": {"pass@1": HALF}, "problems": 3, "facets": facets or {}, "speed": {}, **more,
    }  # fmt: skip
    return Run(Path(model), {}, summary)


def kinds(*names: str) -> dict[str, Any]:
    return {name: {"problems": 1, "metrics": {"pass@1": HALF}} for name in names}


def test_each_facet_of_a_run_has_a_table(tmp_path: Path) -> None:
    runs = load_runs([page_runs.write_run(tmp_path / "a", "livecodebench", page_runs.cycling(["passed", "failed"]))])
    tables = {table["facet"]: table for table in make_breakdown_tables(entries(runs))}
    assert set(tables) == {"month", "difficulty", "platform"}
    assert [row["kind"] for row in tables["difficulty"]["rows"]] == ["easy", "medium", "hard"]
    expected = runs[0].summary["facets"]["difficulty"]["easy"]
    [[name, value, low, high, problems]] = tables["difficulty"]["rows"][0]["cells"]
    assert (name, value, [low, high], problems) == (
        "run-0", expected["metrics"]["pass@1"]["value"], expected["metrics"]["pass@1"]["ci95"], expected["problems"]
    )  # fmt: skip


def test_missing_rates_are_empty_and_not_zero() -> None:
    left = made("livecodebench", "a", {"difficulty": kinds("easy")})
    right = made("livecodebench", "b", {"difficulty": kinds("hard", "easy")})
    [table] = make_breakdown_tables(entries([left, right]))
    assert [column["label"] for column in table["columns"]] == ["a", "b"]
    assert [row["kind"] for row in table["rows"]] == ["easy", "hard"]
    assert table["rows"][1]["cells"][0] is None


def test_other_data_versions_and_windows_have_their_own_tables() -> None:
    facets = {"difficulty": kinds("easy")}
    others: list[dict[str, Any]] = [
        {}, {"official_data": False}, {"version": "v2"}, {"options": {"start": "2024-08-01"}}, {"split": "x"},
    ]  # fmt: skip
    runs = [made("livecodebench", f"m{index}", facets, **more) for index, more in enumerate(others)]
    runs.append(made("livecodebench-sample", "s", facets))
    tables = make_breakdown_tables(entries(runs))
    assert len({table["title"] for table in tables}) == 6
    assert all(len(table["columns"]) == 1 for table in tables)


def test_models_are_side_by_side_by_language_and_samples_have_their_own_table() -> None:
    runs = [made(f"multipl-e-{language}", model) for model in "ab" for language in ("cpp", "js")]
    runs += [made("multipl-e-js-sample", "a"), made("santacoder-fim-java", "a"), made("humaneval", "a")]
    tables = {table["title"]: table for table in make_breakdown_tables(entries(runs))}
    assert set(tables) == {
        "multipl-e by language", "multipl-e-sample by language", "santacoder-fim by language"
    }  # fmt: skip
    table = tables["multipl-e by language"]
    assert [(row["kind"], [cell[0] for cell in row["cells"]]) for row in table["rows"]] == [
        ("cpp", ["run-0", "run-2"]),
        ("js", ["run-1", "run-3"]),
    ]
