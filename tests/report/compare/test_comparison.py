"""Comparisons of two runs: unfair differences come first, incomparable runs are refused, changed problems are right."""

import json
from pathlib import Path

import pytest
from helpers.made_runs import outcomes, write_run

from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.metrics.paired_tests import mcnemar_p_value
from evalharness.report.compare.comparison import Comparison, compare_runs, compare_runs_by_task
from evalharness.report.compare.text import comparison_lines
from evalharness.report.runs import load_runs


def run(folder: Path) -> Run:
    [record] = load_runs([folder])
    return record


def lines(comparison: Comparison, margin: float | None = None, show: int = 0) -> str:
    return "\n".join(comparison_lines([comparison], margin, show, None))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Run, Run]:
    """164 problems: 100 right in both, 12 only in the first, 4 only in the second; the second is twice as fast."""
    first = [True] * 112 + [False] * 52
    second = [True] * 100 + [False] * 12 + [True] * 4 + [False] * 48
    return (
        run(write_run(tmp_path / "a", "org/slow", first, 2.0)),
        run(write_run(tmp_path / "b", "org/fast", second, 1.0, backend="diffusion")),
    )


def test_difference_test_and_speed(pair: tuple[Run, Run]) -> None:
    comparison = compare_runs(*pair)
    assert comparison.difference.value == pytest.approx(-8 / 164)
    assert comparison.difference.p == pytest.approx(mcnemar_p_value(12, 4))
    assert (len(comparison.worsened_problems), len(comparison.improved_problems), comparison.shared) == (12, 4, 164)
    assert comparison.unfair == ()
    tokens = comparison.ratios[0]
    assert tokens.value == pytest.approx(2.0)
    assert tokens.ci95 is not None
    assert 1.8 < tokens.ci95[0] < 2.0 < tokens.ci95[1] < 2.2
    assert {problem.task_id for problem in comparison.changed} == {f"p/{number}" for number in (*range(100, 116),)}


def test_equal_texts_are_counted(pair: tuple[Run, Run]) -> None:
    assert "\n  texts       148 of 164 answers equal\n" in lines(compare_runs(*pair))  # 16 have other verdicts
    path = pair[1].folder / "completions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[:40]:
        row["text"] += "#"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:-4]))
    comparison = compare_runs(*pair)
    assert (comparison.equal_texts, comparison.shared_texts) == (104, 160)
    path.unlink()
    assert "texts  " not in lines(compare_runs(*pair))


def test_unfair_differences_come_first(pair: tuple[Run, Run], tmp_path: Path) -> None:
    def edit(config: dict[str, dict[str, object]]) -> None:
        config["task"]["version"] = "v2"
        config["sampling"]["max_new_tokens"] = 64
        config["backend"]["dtype"] = "bfloat16"

    other = run(write_run(tmp_path / "c", "org/other", outcomes(0.5), recipe="chat", limit=164, edit=edit))
    comparison = compare_runs(pair[0], other)
    kinds = [line.partition(":")[0] for line in comparison.unfair]
    assert kinds == ["data", "recipe", "token limit", "samples"]
    assert "512 vs 64" in comparison.unfair[2]
    text = lines(comparison).splitlines()
    assert [line.split()[0] for line in text[1:5]] == ["UNFAIR"] * 4
    assert not any("UNFAIR" in line for line in text[5:])


def test_reworded_texts_of_the_task_card_are_not_unfair(tmp_path: Path) -> None:
    def describe(text: str) -> Run:
        def edit(config: dict[str, dict[str, object]]) -> None:
            config["task"] |= {"recipe": {"name": "chat", "description": text}, "grading": {"notes": text}}

        return run(write_run(tmp_path / text, f"org/{text}", outcomes(0.5), edit=edit))

    assert compare_runs(describe("old"), describe("new")).unfair == ()


def test_different_hardware_is_unfair(pair: tuple[Run, Run]) -> None:
    summary = dict(pair[1].summary)
    summary["speed"] = {**summary["speed"], "conditions": {**summary["speed"]["conditions"], "hardware": "H100"}}
    [line] = compare_runs(pair[0], Run(pair[1].folder, pair[1].manifest, summary)).unfair
    assert line.startswith("speed: hardware")
    assert "H100" in line


def test_different_tasks_and_samples_against_full_data_are_refused(tmp_path: Path) -> None:
    full = run(write_run(tmp_path / "a", "m", outcomes(0.5)))
    mbpp = run(write_run(tmp_path / "b", "m", outcomes(0.5), task="mbpp"))
    sample = run(write_run(tmp_path / "c", "m", outcomes(0.5), task="humaneval-sample"))
    with pytest.raises(UserError, match="different tasks"):
        compare_runs(full, mbpp)
    with pytest.raises(UserError, match="sample data and full data cannot be compared"):
        compare_runs(full, sample)
    with pytest.raises(UserError, match="sample data and full data cannot be compared"):
        compare_runs_by_task([sample], [full])


def test_folders_are_compared_task_by_task(tmp_path: Path) -> None:
    for side in ("x", "y"):
        for task in ("humaneval", "mbpp"):
            write_run(tmp_path / side / task, side, outcomes(0.5, seed=len(side + task)), task=task)
    write_run(tmp_path / "y" / "more", "y", outcomes(0.5), task="livecodebench")
    notes: list[str] = []
    comparisons = compare_runs_by_task(load_runs([tmp_path / "x"]), load_runs([tmp_path / "y"]), notes.append)
    assert [comparison.first.summary["task"] for comparison in comparisons] == ["humaneval", "mbpp"]
    assert "livecodebench" in notes[0]
    assert "Holm" in "\n".join(comparison_lines(comparisons, None, 0, None))
    with pytest.raises(UserError, match="both of humaneval"):
        compare_runs_by_task(load_runs([tmp_path]), load_runs([tmp_path / "y"]))


def test_only_shared_problems_count(tmp_path: Path) -> None:
    short = run(write_run(tmp_path / "a", "m", [True] * 10))
    long = run(write_run(tmp_path / "b", "n", [True] * 5 + [False] * 15))
    comparison = compare_runs(short, long)
    assert (comparison.shared, comparison.unshared) == (10, (0, 10))
    assert comparison.rates == (1.0, 0.5)
    assert "10 only in n" in lines(comparison)


def test_several_samples_per_problem_are_compared_by_the_share_that_passed(tmp_path: Path) -> None:
    first = run(write_run(tmp_path / "a", "m", [True, False, False, False] * 20, n=4))
    second = run(write_run(tmp_path / "b", "n", [True, True, True, False] * 20, n=4))
    comparison = compare_runs(first, second)
    assert comparison.difference.value == pytest.approx(0.5)
    assert comparison.difference.test == "sign-flip permutation"
    assert comparison.difference.p < 0.001
    assert comparison.changed[0].first == 0.25


def test_changed_problems_are_shown_with_both_completions_and_verdicts(pair: tuple[Run, Run]) -> None:
    text = lines(compare_runs(*pair), show=3)
    assert text.count("--- p/") == 3
    assert "--- p/100: 100% -> 0%" in text
    assert "slow, sample 0: passed" in text
    assert "fast, sample 0: failed: AssertionError" in text
    assert "|     return 100" in text
    assert "|     return None" in text


def test_the_example_is_a_sample_with_the_outcome_that_changed(tmp_path: Path) -> None:
    better = write_run(tmp_path / "a", "m", [False, True] * 5, n=2)
    worse = write_run(tmp_path / "b", "n", [False, False] * 5, n=2)
    rows = [json.loads(line) for line in (better / "verdicts.jsonl").read_text().splitlines()]
    failed = [{**row, "status": "infrastructure"} if not row["passed"] else row for row in rows]
    (better / "verdicts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in failed))
    text = lines(compare_runs(run(better), run(worse)), show=1)
    assert "100% -> 0%" in text
    assert "m, sample 1: passed" in text


def test_a_margin(pair: tuple[Run, Run]) -> None:
    assert "is not shown to be at most 2 points worse" in lines(compare_runs(*pair), margin=2)
    assert "fast is at most 15 points worse than slow" in lines(compare_runs(*pair), margin=15)


def test_unmeasured_speeds_have_no_ratio(tmp_path: Path) -> None:
    first = run(write_run(tmp_path / "a", "m", outcomes(0.5)))
    second = run(write_run(tmp_path / "b", "n", outcomes(0.5), tokens=None))
    assert [ratio.measure for ratio in compare_runs(first, second).ratios] == ["characters/s"]


def test_a_speed_condition_that_one_run_does_not_state(pair: tuple[Run, Run]) -> None:
    summary = dict(pair[1].summary)
    summary["speed"] = {**summary["speed"], "batch": None}
    [line] = compare_runs(pair[0], Run(pair[1].folder, pair[1].manifest, summary)).unfair
    assert line == "speed: batch 1 vs not stated"


def test_a_setting_that_one_run_does_not_have(pair: tuple[Run, Run], tmp_path: Path) -> None:
    limited = run(write_run(tmp_path / "c", "org/other", outcomes(0.5), limit=164))
    assert compare_runs(pair[0], limited).unfair == ("samples: limit none vs 164",)


def test_a_run_without_speed_is_named(pair: tuple[Run, Run]) -> None:
    untimed = [Run(record.folder, record.manifest, {**record.summary, "speed": {}}) for record in pair]
    comparison = compare_runs(pair[0], untimed[1])
    assert comparison.unfair == ("speed: not measured for fast",)
    assert "  speed       not measured for fast" in lines(comparison).splitlines()
    neither = compare_runs(*untimed)
    assert neither.unfair == ()
    assert "  speed       not measured in either run" in lines(neither).splitlines()
