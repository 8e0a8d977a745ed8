"""Leaderboard and frontier as single HTML files, in a real browser: sorting, keys, notes, light and dark colours."""

from pathlib import Path
from typing import Any

import pytest
from helpers.made_runs import outcomes, write_run

from evalharness.report.frontier.picture import write_frontier_plot
from evalharness.report.frontier.points import make_frontier_panels
from evalharness.report.leaderboard.boards import make_leaderboard_tables
from evalharness.report.leaderboard.html import leaderboard_html_page
from evalharness.report.published import load_published_results
from evalharness.report.runs import load_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("alone")
    for model, rate, seconds in (("b-low", 0.5, 0.5), ("a-top", 0.9, 2.0), ("c-mid", 0.7, 1.0)):
        write_run(made / "runs" / model, model, outcomes(rate), seconds)
    write_run(made / "runs" / "mbpp", "c-mid", outcomes(0.7), task="mbpp")
    runs, published = load_runs([made / "runs"]), load_published_results("mercury")
    (made / "leaderboard.html").write_text(leaderboard_html_page(make_leaderboard_tables(runs, published)))
    write_frontier_plot(make_frontier_panels(runs, published), made / "frontier.html", with_published=True)
    return made


def opened(browser: Any, file: Path, **context: Any) -> tuple[Any, list[str]]:
    page = browser.new_context(viewport={"width": 1400, "height": 900}, **context).new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: asked.url == f"file://{file}" or faults.append(asked.url))
    page.goto(f"file://{file}")
    return page, faults


def first_column(page: Any) -> list[str]:
    names = page.locator("table").first.locator("tbody th").all_inner_texts()
    return [str(name)[2:] for name in names]


def test_the_leaderboard_sorts_by_pointer_and_keys(browser: Any, folder: Path) -> None:
    page, faults = opened(browser, folder / "leaderboard.html")
    assert first_column(page) == ["a-top", "c-mid", "b-low"]
    page.get_by_role("button", name="tokens/s").first.click()
    assert first_column(page) == ["b-low", "c-mid", "a-top"]
    assert page.locator("th[aria-sort=descending]").count() == 1
    page.get_by_role("button", name="model").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert first_column(page) == ["a-top", "b-low", "c-mid"]
    page.get_by_role("button", name="MBPP").first.click()  # rows without a rate are last in either order
    assert first_column(page)[0] == "c-mid"
    page.get_by_role("button", name="MBPP").first.click()
    assert first_column(page)[0] == "c-mid"
    assert faults == []
    page.context.close()


def test_the_leaderboard_is_dark_where_the_system_is(browser: Any, folder: Path) -> None:
    shades = []
    for scheme in ("light", "dark"):
        page, _ = opened(browser, folder / "leaderboard.html", color_scheme=scheme)
        shades.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.context.close()
    assert shades[0] != shades[1] == "rgb(22, 24, 27)"


def test_the_frontier_shows_a_note_about_the_point_under_pointer_or_in_focus(browser: Any, folder: Path) -> None:
    page, faults = opened(browser, folder / "frontier.html")
    marks = page.locator("[data-point]")
    assert marks.count() >= 4 + 8
    assert not page.locator("#note").is_visible()
    mini = page.get_by_label("Mercury Coder Mini").first
    mini.hover(force=True)
    note = page.locator("#note").inner_text()
    assert "1109.0 tokens/s" in note
    assert "published, not measured here" in note
    assert "NVIDIA H100" in note
    page.keyboard.press("Escape")
    assert not page.locator("#note").is_visible()
    page.get_by_label("a-top").first.focus()
    note = page.locator("#note").inner_text()
    assert "on the Pareto frontier" in note
    assert "Xeon" in note
    assert faults == []
    page.context.close()
