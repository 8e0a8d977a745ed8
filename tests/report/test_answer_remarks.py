"""Cut, empty and refused answers are named in the table, the leaderboard, comparisons and the page."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from helpers.made_runs import write_run
from rich.console import Console

from evalharness.data.run_types import Summary
from evalharness.data.runs import load_run
from evalharness.metrics.answer_counts import count_answer_kinds
from evalharness.records import Completion
from evalharness.report.answer_remarks import abnormal_answer_remarks, abnormal_answer_warning
from evalharness.report.compare.fairness import find_unfair_differences
from evalharness.report.leaderboard.boards import make_leaderboard_tables
from evalharness.report.leaderboard.text import leaderboard_latex, leaderboard_markdown
from evalharness.report.page.entries import RunEntry, make_run_overview
from evalharness.report.problems import RunProblems
from evalharness.report.summary_table import make_summary_table, make_table_remarks

CUT = "3 of 3 answers reached the token limit of 512 (100.0%)"


def summary_of(counts: dict[str, int], total: int) -> Summary:
    """A summary with that many answers of each finish reason; the others ended well."""
    rows = [
        Completion("t", 0, "" if end in ("empty", "error") else "x", finish_reason=end)
        for end in counts
        for _ in range(counts[end])
    ]
    rows += [Completion("t", 0, "x")] * (total - len(rows))
    return cast(Summary, {"task": "t", "answers": count_answer_kinds(rows, 100)})


def test_remarks_have_counts_rates_and_the_limit() -> None:
    assert abnormal_answer_remarks(summary_of({"length": 3, "empty": 1, "refused": 2}, 8)) == [
        "3 of 8 answers reached the token limit of 100 (37.5%)",
        "1 of 8 answers was empty (12.5%)",
        "2 of 8 answers were refused (25.0%)",
    ]
    assert abnormal_answer_remarks(summary_of({"error": 2}, 8)) == [
        "2 of 8 answers were missing because the backend failed (25.0%)"
    ]
    assert abnormal_answer_remarks(summary_of({}, 8)) == []
    assert abnormal_answer_remarks(cast(Summary, {"task": "t"})) == []


@pytest.mark.parametrize(("count", "warns"), [(0, False), (1, False), (2, False), (3, True)])
def test_a_warning_is_given_above_two_per_cent(count: int, warns: bool) -> None:
    warning = abnormal_answer_warning(summary_of({"length": count}, 100))
    assert bool(warning) == warns
    if warns:
        assert warning == (
            "warning: t: 3 of 100 answers reached the token limit of 100 (3.0%); "
            "repeat the run with a higher --max-new-tokens"
        )


@pytest.fixture
def runs(tmp_path: Path) -> list[Any]:
    cut = write_run(tmp_path / "cut", "m", [False] * 3, finish_reason="length", reasoning="hmm")
    return [load_run(cut), load_run(write_run(tmp_path / "whole", "n", [True] * 3))]


def test_the_table_says_it(runs: list[Any]) -> None:
    console = Console(width=160, record=True)
    console.print(make_summary_table([run.summary for run in runs]))
    text = console.export_text()
    assert make_table_remarks([run.summary for run in runs]) == [f"humaneval: {CUT}"]
    assert "3 at token limit" in text
    assert "at most 512 new tokens" in text


def test_the_leaderboard_has_a_footnote(runs: list[Any]) -> None:
    boards = make_leaderboard_tables(runs)
    assert f"a: {CUT}" in leaderboard_markdown(boards)
    assert "3 of 3 answers reached" in leaderboard_latex(boards)


def test_a_comparison_calls_it_unfair(runs: list[Any]) -> None:
    assert "answers: 3 of 3 vs 0 of 3 reached the token limit" in find_unfair_differences(*runs, ("m", "n"))
    assert not any(line.startswith("answers") for line in find_unfair_differences(runs[0], runs[0], ("m", "m")))
    earlier = replace(runs[1], summary={key: value for key, value in runs[1].summary.items() if key != "answers"})
    assert not any(line.startswith("answers") for line in find_unfair_differences(runs[0], earlier, ("m", "n")))


def test_the_page_says_it(runs: list[Any]) -> None:
    overview = make_run_overview(RunEntry(runs[0], "cut", cast(Any, type("Name", (), {"label": "m"})), RunProblems()))
    assert overview["answers"] == [CUT]
    assert "at most 512 new tokens" in overview["conditions"]
