"""The report page in a real browser, from the disk: sorting, filters, search, links, keys, sizes and colours."""

import re
from collections.abc import Callable
from typing import Any

Open = Callable[..., Any]
PHONE = {"width": 390, "height": 844}
TRACED = "#/run/dif-humaneval/Sample%2F3/0"


def column(page: Any, table: str, number: int) -> list[str]:
    return [
        cell.split("\n")[0].strip()
        for cell in page.locator(f"{table} tbody tr > :nth-child({number})").all_inner_texts()
    ]


def wait_for_count(page: Any, text: str) -> None:
    page.wait_for_function("text => document.querySelector('.count').textContent === text", arg=text)


def test_the_overview_shows_every_run_and_breakdown(visit: Open) -> None:
    page = visit()
    assert len(column(page, "table.runs", 1)) == 8
    assert "8 runs of 4 tasks" in page.inner_text("main")
    titles = page.locator("h2").all_inner_texts()
    for title in (
        "livecodebench-sample, lite by month",
        "livecodebench-sample, lite by difficulty",
        "multipl-e-sample by language",
    ):
        assert title in titles
    difficulty = page.locator("section.part", has_text="livecodebench-sample, lite by difficulty")
    assert [row.split()[0] for row in difficulty.locator("tbody tr").all_inner_texts()] == ["easy", "medium", "hard"]


def test_the_leaderboard_is_sorted_by_its_headings(visit: Open) -> None:
    page = visit()
    names, rates = (lambda number=number: column(page, ".leaderboard table", number) for number in (1, 2))
    before = names()
    assert {name.split()[-1] for name in before} == {"small-ar", "small-diffusion"}
    page.click(".leaderboard thead button:text-is('HumanEval')")
    assert rates() == sorted(rates(), key=float, reverse=True)
    page.keyboard.press("Enter")  # the heading has the focus
    assert rates() == sorted(rates(), key=float)
    page.click(".leaderboard thead button:text-is('model')")
    assert [name.split()[-1] for name in names()] == ["small-ar", "small-diffusion"]


def test_the_frontier_shows_a_note_about_the_point_under_pointer_or_in_focus(visit: Open) -> None:
    page = visit()
    marks = page.locator(".wide-drawing .point-mark")
    assert marks.count() == 8
    marks.first.hover()
    assert "tokens/s" in page.inner_text(".point-note")
    page.mouse.move(0, 0)
    assert page.is_hidden(".point-note")
    marks.last.focus()
    assert "pass@1" in page.inner_text(".point-note")


def test_a_table_is_sorted_by_its_headings(visit: Open) -> None:
    page = visit()
    head = page.locator("table.runs thead button", has_text="pass@1")
    head.click()
    rates = [float(rate.split("%")[0]) for rate in column(page, "table.runs", 3)]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) > 2
    head.press("Enter")
    assert [float(rate.split("%")[0]) for rate in column(page, "table.runs", 3)] == sorted(rates)
    assert page.get_attribute("table.runs th[aria-sort]", "aria-sort") == "ascending"


def test_a_cell_of_a_breakdown_links_to_its_samples(visit: Open) -> None:
    page = visit()
    page.locator("section.part", has_text="livecodebench-sample, lite by difficulty").locator("tbody a").first.click()
    page.wait_for_selector(".rows .row")
    wait_for_count(page, "4 of 7 samples")
    assert page.evaluate("location.hash").endswith("?by-difficulty=easy")


def test_samples_are_filtered_by_verdict_and_searched_by_name_and_output(visit: Open) -> None:
    page = visit("#/run/dif-humaneval")
    wait_for_count(page, "32 samples")
    page.select_option("select[aria-label='Any verdict']", "timeout")
    wait_for_count(page, "6 of 32 samples")
    assert set(page.locator(".row .status").all_text_contents()) == {"◷timeout"}
    page.select_option("select[aria-label='Any verdict']", "")
    page.fill("#search", "syntaxerror")
    wait_for_count(page, "6 of 32 samples")
    page.fill("#search", "nowhere to be found")
    wait_for_count(page, "0 of 32 samples")
    assert page.is_visible("text=No sample matches all filters.")


def test_the_search_can_include_prompts_completions_and_output(visit: Open) -> None:
    page = visit("#/run/ar-humaneval")
    page.fill("#search", "stock.items")
    wait_for_count(page, "0 of 16 samples")
    page.check("text=also in prompts, completions and test output")
    wait_for_count(page, "1 of 16 samples")
    page.locator(".row").click()
    page.wait_for_selector("article.sample")
    assert "stock.items()" in page.inner_text("section:has(h2:text-is('Completion'))")
    page.reload()  # the address contains the query
    wait_for_count(page, "1 of 16 samples")


def test_a_deep_link_shows_prompt_completion_verdict_output_and_timing(visit: Open) -> None:
    page = visit("#/run/dif-humaneval/Sample%2F3/1")
    text = page.inner_text("article.sample")
    for word in (
        "Sample/3",
        "sample 1",
        "error",
        "SyntaxError",
        "def shelf_stock",
        "stock = {}",
        "End-to-end latency",
        "0.540 s",
    ):
        assert word in text
    assert page.locator("section:has(h2:text-is('Completion')) .c-keyword", has_text="return").count() == 1
    assert page.inner_text(".row[aria-current]").startswith("!")
    assert "Sample/3" in page.title()
    page.click("nav[aria-label='The same problem in other runs'] a")
    page.wait_for_function("() => location.hash === '#/run/ar-humaneval/Sample%2F3/0'")


def test_an_unknown_address_shows_an_error(visit: Open) -> None:
    for address in ("#/run/none", "#/run/ar-livecodebench/none/0", "#/elsewhere", "#/run/ar-livecodebench/%E0%A4%A/0"):
        page = visit(address)
        assert page.is_visible("[role=alert]")
        page.click("text=To the overview")
        page.wait_for_selector("table.runs")


def test_keys_move_through_the_samples(visit: Open) -> None:
    page = visit("#/run/ar-humaneval")
    for key, position in (("j", "1 of 16"), ("j", "2 of 16"), ("k", "1 of 16")):
        page.keyboard.press(key)
        page.wait_for_function("text => document.querySelector('.place')?.textContent === text", arg=position)
    page.keyboard.press("Escape")
    page.wait_for_function("() => location.hash === '#/run/ar-humaneval'")
    page.keyboard.press("/")
    page.keyboard.type("Sample/1")
    wait_for_count(page, "7 of 16 samples")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.is_visible("dialog.keys")
    page.uncheck("text=Enable single-key shortcuts")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    assert page.evaluate("location.hash").startswith("#/run/")


def test_keys_pressed_faster_than_samples_load_are_not_lost(visit: Open) -> None:
    page = visit("#/run/dif-humaneval")
    page.wait_for_selector(".rows .row")
    page.evaluate(
        """() => {
            const press = () => document.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
            for (let number = 0; number < 9; number++) setTimeout(press, number);
        }"""
    )
    page.wait_for_function("() => /^9 of 32$/.test(document.querySelector('.place')?.textContent)")
    assert page.inner_text(".title h1").startswith("Sample/4")
    page.evaluate("() => { location.hash = '#/run/ar-livecodebench'; location.hash = '#/run/ar-humaneval'; }")
    page.wait_for_function("() => document.querySelector('.count')?.textContent === '16 samples'")


def test_the_page_works_with_the_tab_key_alone(visit: Open) -> None:
    page = visit()
    page.locator("table.runs a", has_text="humaneval-sample").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".rows .row")
    page.locator("#search").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.row')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("article.sample")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => document.querySelector('.place')?.textContent.startsWith('2 of')")
    page.wait_for_function("() => document.activeElement.matches('.row[aria-current]')")


def background(page: Any) -> float:
    """The lightness of the page, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_colours_follow_the_system_and_the_reader(visit: Open) -> None:
    assert background(visit(color_scheme="light")) > 230
    page = visit(color_scheme="dark")
    assert background(page) < 50
    page.click("#theme-button")
    assert background(page) > 230
    page.reload()
    page.wait_for_selector("table.runs")
    assert background(page) > 230


def test_the_frontier_has_a_drawing_for_phones(visit: Open) -> None:
    page = visit(viewport=PHONE, has_touch=True)
    frame = page.locator(".drawing")
    assert frame.evaluate("frame => frame.scrollWidth <= frame.clientWidth")
    assert (page.is_hidden(".wide-drawing"), page.is_visible(".narrow-drawing")) == (True, True)
    marker = page.locator(".narrow-drawing .point-mark").first
    marker.focus()
    assert "tokens/s" in page.inner_text(".point-note")
    sizes = page.evaluate(
        "[...document.querySelectorAll('.narrow-drawing text')].map(text => text.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 9
    wide = visit()
    assert (wide.is_visible(".wide-drawing"), wide.is_hidden(".narrow-drawing")) == (True, True)


def test_nothing_is_wider_than_a_phone(visit: Open) -> None:
    page = visit(viewport=PHONE, has_touch=True)
    for address, shown in (("#/", "table.runs"), ("#/run/dif-livecodebench", ".run"), (TRACED, ".trace")):
        page.evaluate("address => { location.hash = address; }", address)
        page.wait_for_selector(shown)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.is_hidden(".side")
    page.click("text=← All samples")
    page.click("text=Problems ↓")
    page.locator(".row").first.click()
    page.wait_for_selector("article.sample")
