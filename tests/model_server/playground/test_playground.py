"""The playground in a real browser: watch, pause, scrub, race, infill, run the tests, save, and play the saved file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.model_server import ModelServer, running_server

pytestmark = pytest.mark.docker
Open = Callable[..., Any]
PHONE = {"width": 390, "height": 844}
PROMPT = 'def count_vowels(text):\n    """Return the number of vowels in text."""\n'


def number(page: Any, name: str, lane: int = 0) -> float:
    """A number below the canvas of a lane."""
    stats = page.locator(".lane").nth(lane).locator(".stats > div", has=page.locator(f"dt:text-is('{name}')"))
    return float(stats.locator("dd").inner_text().split()[0].replace(",", ""))


def canvas(page: Any, lane: int = 0) -> str:
    return str(page.locator(".lane .canvas").nth(lane).text_content())


def wait_for_end(page: Any) -> None:
    page.wait_for_selector("#race:not([disabled])")
    page.wait_for_selector("#save:not([hidden])")
    page.wait_for_selector(".play:text-is('Play')")  # after a race, its replay has ended, too


def test_type_watch_pause_scrub_race_and_save(playground: ModelServer, visit: Open, tmp_path: Path) -> None:
    page = visit(f"{playground.url}/")
    page.fill("#prompt", PROMPT)
    page.fill("#max-tokens", "48")
    page.click("#run-diffusion")
    page.wait_for_selector(".lane .token.fresh")
    wait_for_end(page)
    text = canvas(page)
    expected = playground.text(prompt=PROMPT, max_tokens=48, rule="threshold", threshold=0.9, block=16)
    assert text.startswith(expected)
    assert "░" not in text
    passes = number(page, "passes")
    assert passes > 2

    page.keyboard.press("Home")
    assert canvas(page) != text
    page.keyboard.press("ArrowRight")
    assert number(page, "passes") == 1
    assert "░" in canvas(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert number(page, "passes") == 2
    page.locator(".scrub").fill(str(page.locator(".scrub").get_attribute("max")))
    assert number(page, "passes") == passes
    page.select_option("select[aria-label=Speed]", "0.1")
    page.click(".play")
    page.click(".play")  # pause
    paused = page.inner_text(".clock")
    page.wait_for_timeout(150)
    assert page.inner_text(".clock") == paused

    page.select_option("#draft", "8")  # a changed setting runs again
    wait_for_end(page)
    page.click("#race")
    wait_for_end(page)
    page.keyboard.press("End")
    assert page.locator(".lane h2").all_inner_texts() == ["Diffusion", "Autoregressive"]
    autoregressive = playground.text(model="bundled:ar", prompt=PROMPT, max_tokens=48)
    assert canvas(page, 1).startswith(autoregressive)
    assert number(page, "tokens/s", 0) > 0

    with page.expect_download() as download:
        page.keyboard.press("s")
    saved = tmp_path / "race.html"
    download.value.save_as(saved)
    both = [canvas(page, 0), canvas(page, 1)]
    replay = visit(saved.as_uri())
    replay.keyboard.press("End")
    assert [canvas(replay, 0), canvas(replay, 1)] == both
    replay.keyboard.press("Home")
    replay.keyboard.press("ArrowRight")
    assert min(number(replay, "passes", 0), number(replay, "passes", 1)) <= 1
    replay.click("summary")
    assert replay.inner_text(".prompt pre").startswith("def count_vowels")


def test_a_link_plays_a_race_without_running_anything(playground: ModelServer, visit: Open) -> None:
    page = visit(f"{playground.url}/")
    page.fill("#prompt", PROMPT)
    page.fill("#max-tokens", "32")
    page.click("#race")
    wait_for_end(page)
    page.keyboard.press("End")
    both = [canvas(page, 0), canvas(page, 1)]
    page.keyboard.press("l")
    page.wait_for_selector("#stage-note:has-text('it plays the race and runs nothing')")
    link = page.url
    assert len(link) < 20_000
    answered = playground.http.get("/metrics").text
    shared = visit(link)
    shared.wait_for_selector(".play:text-is('Play')")
    shared.keyboard.press("End")
    assert [canvas(shared, 0), canvas(shared, 1)] == both
    assert shared.is_hidden("#form")
    shared.keyboard.press("Home")
    shared.keyboard.press("ArrowRight")
    assert min(number(shared, "passes", 0), number(shared, "passes", 1)) <= 1
    for line in answered.splitlines():
        if line.startswith("evalharness_tokens_total"):
            assert line in playground.http.get("/metrics").text
    shared.click("#open-playground")
    shared.wait_for_selector("#race")
    cut = visit(link[: len(link) // 2])
    cut.wait_for_selector(".notice:has-text('damaged or cut off')")
    cut.wait_for_selector("#race")  # the playground itself still works


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("format", 2), ("prompt", None), ("recordings", []), ("recordings", 5), ("recordings.0.frames.0.end", 10**9),
        ("recordings.0.frames.0.tokens", [{}]), ("recordings.0.frames.0.ms", "1"), ("recordings.0.text", None),
        ("recordings.0.verdict", {"status": "constructor"}), ("recordings.0.timings", None),
    ],
)  # fmt: skip
def test_a_wrong_race_is_refused(playground: ModelServer, visit: Open, place: str, value: object) -> None:
    page = visit(f"{playground.url}/")
    page.wait_for_selector("#race")
    refused = page.evaluate(
        """([place, value]) => {
            const app = window.evalharness;
            const frame = {forward_pass: 1, ms: 1, start: 0, end: 1, positions: [0], tokens: ["a"], confidences: [1],
                           drafted: [], accepted: 0, rejected: []};
            const recording = {...app.newRecording("t", "ar", {}), frames: [frame], text: "a",
                               usage: {completion_tokens: 1}, timings: {total_ms: 2, ttft_ms: 1}};
            const race = JSON.parse(JSON.stringify(app.packRace([recording], "p")));
            app.checkRace(race);
            const names = place.split(".");
            const last = names.pop();
            names.reduce((value, name) => value[name], race)[last] = value;
            try { app.checkRace(race); } catch (error) { return error.message; }
            return "";
        }""",
        [place, value],
    )
    assert "is not a race" in refused


def test_infill_a_hole_and_see_rejected_drafts(playground: ModelServer, visit: Open) -> None:
    page = visit(f"{playground.url}/")
    page.fill("#prompt", "def double(values):\n    result = []\n    return result\n")
    page.evaluate("document.getElementById('prompt').setSelectionRange(36, 36)")
    page.click("#hole")
    assert page.input_value("#prompt") == "def double(values):\n    result = []\n<HOLE>    return result\n"
    page.uncheck("#rerun")
    page.select_option("#draft", "16")
    page.click("#run-ar")
    wait_for_end(page)
    middle = playground.text(
        model="bundled:ar",
        prompt="def double(values):\n    result = []\n",
        suffix="    return result\n",
        max_tokens=160,
    )
    assert canvas(page).startswith(middle)
    page.keyboard.press("Home")
    seen = False
    for _ in range(60):
        page.keyboard.press("ArrowRight")
        seen = seen or page.locator(".canvas .rejected").count() == 1
    assert seen


def test_run_the_tests_of_a_problem(playground: ModelServer, visit: Open) -> None:
    page = visit(f"{playground.url}/")
    page.select_option("#task", "humaneval")
    page.wait_for_selector("#form-note:has-text('problem 1 of')")
    assert page.input_value("#problem-id").startswith("Sample/") or page.input_value("#prompt")
    page.click("#next-problem")
    page.wait_for_selector("#form-note:has-text('problem 2 of')")
    page.click("#run-diffusion")
    wait_for_end(page)
    page.click(".run-it")
    page.wait_for_selector(".verdict .status")
    assert page.inner_text(".verdict .status").split()[-1] in ("passed", "failed", "error", "timeout")
    page.fill("#prompt", "def other():\n")
    page.click("#run-diffusion")
    wait_for_end(page)
    assert page.is_hidden(".run-it")  # the tests are those of another problem


def test_errors_keys_phone_and_colours(playground: ModelServer, visit: Open) -> None:
    page = visit(f"{playground.url}/", viewport=PHONE, color_scheme="dark")
    page.wait_for_selector("#race")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("d")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != background
    page.fill("#max-tokens", "16")
    page.focus("#prompt")
    page.keyboard.press("Control+Enter")
    wait_for_end(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert "Save the race as a file" in page.inner_text("dialog")
    page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_server_with_a_key_asks_for_it(browser: Any) -> None:
    with running_server() as server:
        page = browser.new_context().new_page()
        page.goto(f"{server.url}/")
        page.fill("dialog input", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog small:has-text('wrong access token')")
        page.fill("dialog input", "correct horse")
        page.keyboard.press("Enter")
        page.wait_for_selector("#race")
        assert page.locator("#form").count() == 1
        page.context.close()
