"""The report of an arena: text, page and picture, and hostile names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.arena_runs import vote

from evalharness.arena.measurements import TaskMeasurements, write_measurements
from evalharness.arena.records import VoteChoice
from evalharness.arena.report.tables import make_section
from evalharness.arena.report.text import format_report_as_markdown
from evalharness.arena.statistics.summary import summarize_votes
from evalharness.arena.store import VoteStore

Command = Callable[..., Any]
EVIL = "<script>alert(1)</script>|\x1b[31m"


def filled(folder: Path, second: str = "b", speeds: bool = True) -> VoteStore:
    store = VoteStore(folder)
    choices: list[VoteChoice] = ["first", "first", "second", "tie", "first", "both_bad"]
    for number in range(36):
        choice, voter = choices[number // 2 % 6], f"v{number % 6}"
        if number % 2:
            store.add_vote(vote(number, choice, "a", second, voter=voter))
        else:
            turned: dict[VoteChoice, VoteChoice] = {"first": "second", "second": "first"}
            store.add_vote(vote(number, turned.get(choice, choice), second, "a", voter=voter))
    if speeds:
        for model, speed in (("a", 120.0), (second, 900.0)):
            task = TaskMeasurements(folder="/runs", hardware="a GPU", tokens_per_s=speed, pass_at_1=(0.5, 0.4, 0.6))
            task["tokens_per_s_ci95"] = (0.9 * speed, 1.1 * speed)
            write_measurements(folder, {model: {"family": "ar", "tasks": {"humaneval": task}}})
    return store


def test_the_command_prints_tables_and_writes_page_picture_and_numbers(tmp_path: Path, cli: Command) -> None:
    filled(tmp_path / "votes")
    done = cli("arena", "report", "--votes", tmp_path / "votes", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "36 votes of 6 voters on 2 models",
        "jackknife over 6 voters",
        "| a ",
        "50.0%",
        "### Differences",
    ):
        assert text in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html", "static", "arena.json", "strengths.svg", "strengths.png",
    }  # fmt: skip
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("<svg") == 2  # for a window and for a phone
    [numbers] = json.loads((tmp_path / "out" / "arena.json").read_text())
    assert numbers["votes"] == 36
    assert numbers["models"][0]["strength"][0] > 0


def test_without_speeds_there_is_no_picture(tmp_path: Path, cli: Command) -> None:
    filled(tmp_path / "votes", speeds=False)
    assert cli("arena", "report", "--votes", tmp_path / "votes", "--out", tmp_path / "out").returncode == 0
    assert not (tmp_path / "out" / "strengths.svg").exists()


def test_names_of_models_are_text(tmp_path: Path, cli: Command) -> None:
    filled(tmp_path / "votes", EVIL)
    done = cli("arena", "report", "--votes", tmp_path / "votes", "--out", tmp_path / "out")
    assert "\x1b" not in done.stdout
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_no_votes_are_an_error_that_says_what_to_do(tmp_path: Path, cli: Command) -> None:
    VoteStore(tmp_path / "votes").add_vote(vote(1, "skip"))
    done = cli("arena", "report", "--votes", tmp_path / "votes")
    assert done.returncode == 2
    assert "has no votes yet; start `evalharness arena serve` and vote" in done.stderr


def test_a_model_that_never_lost_is_named() -> None:
    votes = [vote(number, "first", voter=f"v{number}") for number in range(8)]
    lines = "\n".join(format_report_as_markdown([make_section(summarize_votes(votes, {}), {})]))
    assert "not bounded" in lines
    assert "No interval for a, b: the votes do not bound the strength" in lines
