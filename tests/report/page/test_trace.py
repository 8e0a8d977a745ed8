"""The denoising of a completion is played pass by pass: by key, by click and by itself."""

from collections.abc import Callable
from typing import Any

from helpers import page_runs

from evalharness.adapters import open_task

Open = Callable[..., Any]
PLACE = "#/run/dif-humaneval/Sample%2F3/0"


def trace() -> Any:
    """What was written of that sample."""
    problem = next(each for each in open_task("humaneval", "sample", {})[0].problems() if each.task_id == "Sample/3")
    return page_runs.trace_of((problem.reference or "").removeprefix(problem.prefix))


def uncovered(page: Any) -> list[str]:
    return list(page.eval_on_selector_all(".token:not(.masked)", "all => all.map(each => each.textContent)"))


def test_keys_step_through_the_passes(visit: Open) -> None:
    page, wanted = visit(PLACE), trace()
    last = max(wanted.steps) + 1
    assert f"Pass {last} of {last}" in page.inner_text(".state")
    assert uncovered(page) == list(wanted.tokens)
    page.keyboard.press("t")
    page.keyboard.press("Home")
    assert uncovered(page) == []
    for number in range(1, 6):
        page.keyboard.press("ArrowRight")
        assert uncovered(page) == [
            token for token, step in zip(wanted.tokens, wanted.steps, strict=True) if step < number
        ]
        fresh = page.eval_on_selector_all(".token.fresh", "all => all.map(each => each.textContent)")
        assert fresh == [token for token, step in zip(wanted.tokens, wanted.steps, strict=True) if step == number - 1]
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".state").startswith(f"Pass 4 of {last} · block 2 of {max(wanted.blocks) + 1}")


def test_buttons_slider_and_bars_do_the_same(visit: Open) -> None:
    page, last = visit(PLACE), max(trace().steps) + 1
    page.click("button[aria-label='To the first pass']")
    page.click("button[aria-label='One pass on']")
    assert page.inner_text(".state").startswith("Pass 1 of")
    page.click(".bars", position={"x": 2, "y": 10})
    assert page.inner_text(".state").startswith("Pass 1 of")
    page.fill(".timeline input", "7")
    assert page.inner_text(".state").startswith("Pass 7 of")
    page.click("button[aria-label='To the last pass']")
    assert page.inner_text(".state").startswith(f"Pass {last} of {last}")


def test_it_plays_to_the_end_by_itself_and_can_be_stopped(visit: Open) -> None:
    page = visit(PLACE)
    page.select_option("select[aria-label='Speed']", "32")
    page.focus(".trace")
    page.keyboard.press("Space")
    page.wait_for_function("() => /^Pass [3-9] /.test(document.querySelector('.state').textContent)")
    page.keyboard.press("Space")
    stopped = page.inner_text(".state")
    page.wait_for_timeout(150)
    assert page.inner_text(".state") == stopped
    assert page.inner_text(".play") == "Play"
    page.click(".play")
    page.wait_for_function("() => /^Pass (\\d+) of \\1 /.test(document.querySelector('.state').textContent)")


def test_a_pass_that_fixed_nothing_is_of_the_block_before_it(visit: Open) -> None:
    page = visit(PLACE)
    shown = page.evaluate(
        """() => {
            const trace = { tokens: ["a", "b", "c"], steps: [0, 1, 4], blocks: [0, 1, 1] };
            const player = evalharness.tracePlayer(trace, "abc").element;
            const slider = player.querySelector("input[type=range]");
            return [0, 1, 3, 5].map((pass) => {
                slider.value = pass;
                slider.dispatchEvent(new Event("input"));
                return player.querySelector(".state").textContent;
            });
        }"""
    )
    assert [text.split(" · ")[1] for text in shown] == [f"block {number} of 2" for number in (1, 1, 2, 2)]


def test_what_was_cut_after_the_end_is_told_apart(visit: Open) -> None:
    page = visit(PLACE)
    assert page.locator(".token.cut").all_inner_texts() == ["\n<|end|>"]
    assert "1 token after the end, cut" in page.inner_text("section:has(.trace) h2")
