"""The leaderboard: rows, columns, best rates, separate tables for other data, and the four formats."""

import csv
import io
import re
from pathlib import Path

import pytest
from helpers.made_runs import outcomes, write_run

from evalharness.errors import UserError
from evalharness.metrics.intervals import wilson_interval
from evalharness.report.leaderboard.boards import LeaderboardTable, make_footnote_mark, make_leaderboard_tables
from evalharness.report.leaderboard.cells import ModelRow
from evalharness.report.leaderboard.columns import TITLES
from evalharness.report.leaderboard.frames import make_long_data_frame, make_wide_data_frame
from evalharness.report.leaderboard.html import leaderboard_html_page
from evalharness.report.leaderboard.text import leaderboard_csv, leaderboard_latex, leaderboard_markdown
from evalharness.report.published import load_published_results
from evalharness.report.runs import load_runs


def boards(folder: Path, sets: str = "") -> list[LeaderboardTable]:
    return make_leaderboard_tables(load_runs([folder]), load_published_results(sets))


def row_of(board: LeaderboardTable, name: str) -> ModelRow:
    return next(row for row in board.rows if row.name == name)


def best(board: LeaderboardTable, task: str) -> set[str]:
    return {row.name for row in board.rows for column, cell in row.cells.items() if column.task == task and cell.best}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for model, rate, seconds in (("org/top", 0.9, 2.0), ("org/next", 0.87, 1.0), ("org/low", 0.5, 0.5)):
        write_run(tmp_path / f"{model}-he", model, outcomes(rate), seconds)
        write_run(tmp_path / f"{model}-mbpp", model, outcomes(1 - rate, 500), 2 * seconds, task="mbpp")
    return tmp_path


def test_rows_are_models_and_columns_tasks(folder: Path) -> None:
    [board] = boards(folder)
    assert [column.title for column in board.columns] == ["HumanEval", "MBPP"]
    assert [row.name for row in board.rows] == ["top", "next", "low"]
    cell = row_of(board, "low").cells[board.columns[0]]
    assert (cell.rate.value, cell.rate.low) == pytest.approx((0.5, wilson_interval(82, 164)[0]))


def test_the_best_and_rates_not_significantly_lower_are_bold(folder: Path) -> None:
    [board] = boards(folder)
    assert best(board, "humaneval") == {"top", "next"}
    assert best(board, "mbpp") == {"low"}


def test_the_only_rate_of_a_column_is_not_marked_as_best(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", outcomes(0.5))
    assert best(boards(tmp_path)[0], "humaneval") == set()


def test_the_speed_of_a_model_is_total_tokens_over_total_seconds(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", [True] * 10, 1.0, tokens=100)
    write_run(tmp_path / "b", "m", [True] * 10, 9.0, tokens=100, task="mbpp")
    [row] = boards(tmp_path)[0].rows
    seconds = sum(run.summary["speed"]["generation_s"] for run in load_runs([tmp_path]))
    assert row.tokens_per_s == pytest.approx(2000 / seconds)
    assert "Xeon" in row.speed_conditions
    assert "batch 1" in row.speed_conditions


def test_a_group_has_a_mean_where_all_its_tasks_have_a_rate(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", outcomes(0.8), task="humaneval-plus")
    assert [column.title for column in boards(tmp_path)[0].columns] == ["HumanEval+"]
    write_run(tmp_path / "b", "m", outcomes(0.6, 378), task="mbpp-plus")
    [board] = boards(tmp_path)
    assert [column.title for column in board.columns] == ["EvalPlus (mean)", "HumanEval+", "MBPP+"]
    mean, first, second = (board.rows[0].cells[column].rate for column in board.columns)
    assert mean.value == pytest.approx((first.value + second.value) / 2)
    assert mean.high - mean.low < max(first.high - first.low, second.high - second.low)


def test_samples_unofficial_data_and_published_results_have_their_own_tables(folder: Path) -> None:
    write_run(folder / "s", "org/top", outcomes(1.0, 16), task="humaneval-sample")
    write_run(folder / "o", "org/top", outcomes(1.0, 16), official=False)
    tables = boards(folder, "mercury")
    assert [board.heading.partition(" ")[0] for board in tables] == ["", "Bundled", "Unofficial", "Published"]
    assert best(tables[0], "humaneval") == {"top", "next"}
    published = row_of(tables[3], "Mercury Coder Mini [mercury]")
    assert published.tokens_per_s == 1109
    assert "from one secondary source" in tables[3].notes


def test_languages_are_columns_next_to_each_other(tmp_path: Path) -> None:
    for task in ("multipl-e-ts", "multipl-e-cs", "fim-single-line", "multipl-e-java", "multipl-e-rs", "unknown"):
        write_run(tmp_path / task, "m", outcomes(0.5), task=task)
    [board] = boards(tmp_path)
    titles = [column.title for column in board.columns]
    assert titles == ["Java", "TypeScript", "C#", "Rust", "FIM single-line", "unknown"]


def test_an_incomplete_run_is_marked_and_never_best(folder: Path) -> None:
    write_run(folder / "part", "org/part", outcomes(1.0, 20), limit=20, whole=164)
    write_run(folder / "old", "org/old", outcomes(1.0, 20), limit=20)
    write_run(folder / "cut", "org/cut", outcomes(1.0, 160), asked=164)
    [board] = boards(folder)
    assert best(board, "humaneval") == {"top", "next"}
    notes = {row.name: cell.notes for row in board.rows for cell in row.cells.values() if not cell.complete}
    assert notes == {
        "part": ("incomplete: only the first 20 of 164 problems",),
        "old": ("incomplete: only the first 20 problems",),
        "cut": ("incomplete: 4 of 164 samples without a verdict",),
    }
    assert r"100.0\*" in leaderboard_markdown([board])


def test_an_unusual_recipe_has_a_note(folder: Path) -> None:
    write_run(folder / "chat", "org/chat", outcomes(0.7), recipe="chat")
    [board] = boards(folder)
    assert row_of(board, "chat").cells[board.columns[0]].notes == ("recipe chat",)
    assert row_of(board, "top").cells[board.columns[0]].notes == ()


def test_repetitions_of_a_run_have_their_own_rows(tmp_path: Path) -> None:
    write_run(tmp_path / "x", "m", outcomes(0.5))
    write_run(tmp_path / "y", "m", outcomes(0.6))
    assert [row.name for row in boards(tmp_path)[0].rows] == ["m (y)", "m (x)"]


def test_csv_has_every_figure(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(boards(folder)))))
    low = next(row for row in rows if row["model"] == "low" and row["task"] == "humaneval")
    assert (float(low["value"]), float(low["low"])) == pytest.approx((0.5, wilson_interval(82, 164)[0]))
    assert [row["best"] for row in rows if row["task"] == "mbpp"] == ["0", "0", "1"]
    assert len([row for row in rows if row["task"] == "output_tokens_per_s"]) == 3


def test_frames_have_models_as_rows_and_tasks_as_columns(folder: Path) -> None:
    tables = boards(folder)
    frame = make_wide_data_frame(tables[0], lambda cell, marks: f"{cell.rate.value:.2f}{marks}")
    assert list(frame.index) == ["top", "next", "low"]
    assert list(frame.columns) == ["HumanEval (v1.0)", "MBPP (v1.0)", "tokens/s", "speed conditions"]
    assert frame.loc["low", "HumanEval (v1.0)"] == "0.50"
    figures = make_long_data_frame(tables)
    assert set(figures[figures.model == "low"].task) == {"humaneval", "mbpp", "output_tokens_per_s"}
    assert len(figures) == 9


def test_columns_with_equal_titles_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for task, rate in (("a", 0.5), ("b", 0.75)):
        write_run(tmp_path / task, "m", outcomes(rate, 4), task=task)
        monkeypatch.setitem(TITLES, task, "Same")
    for text in (
        leaderboard_markdown(boards(tmp_path)),
        leaderboard_latex(boards(tmp_path)),
        leaderboard_html_page(boards(tmp_path)),
    ):
        assert text.count("Same") == 2
        assert "50.0" in text
        assert "75.0" in text


def test_markdown_and_latex(folder: Path) -> None:
    tables = boards(folder)
    text = leaderboard_markdown(tables)
    assert re.search(r"\| top \| \*\*90\.2\*\* \[84\.\d, 9[34]\.\d\] \|", text)
    table = leaderboard_latex(tables)
    assert r"\textbf{90.2}" in table
    rows = [row for row in table.splitlines() if row.endswith(r"\\")]
    assert len({row.count("&") for row in rows}) == 1
    code = [row for row in table.splitlines() if not row.startswith("% ")]
    assert not re.search(r"(?<!\\)[%#]", "\n".join(code))


def test_names_are_escaped_in_every_format(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "<script>alert(1)</script>|a_b", outcomes(0.5))
    tables = boards(tmp_path)
    assert "<script>alert" not in leaderboard_html_page(tables)
    assert r"script>\|a\_b" in leaderboard_latex(tables) or r"a\_b" in leaderboard_latex(tables)
    assert r"script&#62;\|a_b" in leaderboard_markdown(tables)


def test_the_page_sorts_and_loads_nothing_else(folder: Path) -> None:
    page = leaderboard_html_page(boards(folder, "mercury"))
    assert page.count("<button") == page.count('<th scope="col"')
    assert "prefers-color-scheme:dark" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)


def test_an_unknown_metric(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", outcomes(0.5))
    with pytest.raises(UserError, match="no run has pass@10"):
        make_leaderboard_tables(load_runs([tmp_path]), metric="pass@10")


def test_footnote_marks() -> None:
    assert [make_footnote_mark(number) for number in (0, 25, 26, 27, 52)] == ["a", "z", "aa", "ab", "ba"]
