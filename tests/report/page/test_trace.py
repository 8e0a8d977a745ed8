"""The player of a denoising trace: keys, buttons, slider and playback."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers import page_runs

from evalharness.adapters import open_task
from evalharness.records import Completion, Problem, Verdict
from evalharness.report.page.page import write_report
from evalharness.report.runs import load_runs

Open = Callable[..., Any]
ADDRESS = "#/run/dif-humaneval/Sample%2F3/0"


def trace() -> Any:
    """The trace of that sample."""
    problems = open_task("humaneval", "sample", {})[0].problems()
    problem = next(problem for problem in problems if problem.task_id == "Sample/3")
    return page_runs.trace_of((problem.reference or "").removeprefix(problem.prefix))


def committed(page: Any) -> list[str]:
    return list(page.eval_on_selector_all(".token:not(.masked)", "spans => spans.map(span => span.textContent)"))


def test_keys_step_through_the_passes(visit: Open) -> None:
    page, expected = visit(ADDRESS), trace()
    last = max(expected.steps) + 1
    assert f"Pass {last} of {last}" in page.inner_text(".state")
    assert committed(page) == list(expected.tokens)
    page.keyboard.press("t")
    page.keyboard.press("Home")
    assert committed(page) == []
    for number in range(1, 6):
        page.keyboard.press("ArrowRight")
        assert committed(page) == [
            token for token, step in zip(expected.tokens, expected.steps, strict=True) if step < number
        ]
        fresh = page.eval_on_selector_all(".token.fresh", "spans => spans.map(span => span.textContent)")
        assert fresh == [
            token for token, step in zip(expected.tokens, expected.steps, strict=True) if step == number - 1
        ]
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".state").startswith(f"Pass 4 of {last} · block 2 of {max(expected.blocks) + 1}")


def test_buttons_slider_and_bars_step_through_the_passes(visit: Open) -> None:
    page, last = visit(ADDRESS), max(trace().steps) + 1
    page.click("button[aria-label='Start']")
    page.click("button[aria-label='Next pass']")
    assert page.inner_text(".state").startswith("Pass 1 of")
    page.click(".bars", position={"x": 2, "y": 10})
    assert page.inner_text(".state").startswith("Pass 1 of")
    page.fill(".timeline input", "7")
    assert page.inner_text(".state").startswith("Pass 7 of")
    page.click("button[aria-label='End']")
    assert page.inner_text(".state").startswith(f"Pass {last} of {last}")


def test_playback_runs_to_the_end_and_can_be_paused(visit: Open) -> None:
    page = visit(ADDRESS)
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


def test_a_pass_that_commits_no_token_works_on_the_block_before_it(visit: Open) -> None:
    page = visit(ADDRESS)
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


def test_tokens_cut_after_the_end_are_marked(visit: Open) -> None:
    page = visit(ADDRESS)
    assert page.locator(".token.cut").all_inner_texts() == ["\n<|end|>"]
    assert "1 token cut after the end" in page.inner_text("section:has(.trace) h2")


def test_rejected_drafts_stand_before_the_own_token_of_the_pass_that_rejects_them(visit: Open) -> None:
    page = visit(ADDRESS)
    shown = page.evaluate(
        """() => {
            const rejected = [{ step: 1, position: 2, tokens: ["X", "Y"] }, { step: 2, position: 3, tokens: ["Z"] }];
            const trace = { tokens: ["a", "b", "c", "d"], steps: [0, 1, 1, 2], blocks: [0, 1, 1, 3], rejected };
            const { element, summary } = evalharness.tracePlayer(trace, "abcd");
            const slider = element.querySelector("input[type=range]");
            const go = (pass) => {
                slider.value = pass;
                slider.dispatchEvent(new Event("input"));
                const texts = [...element.querySelector(".canvas").children].map((part) => part.textContent);
                return [texts.join(""), element.querySelector(".state").textContent];
            };
            return [[1, 2, 3].map(go), summary];
        }"""
    )
    texts = [text for (text, _) in shown[0]]
    assert texts == ["abcd", "abXYcd", "abcd"]
    assert shown[0][1][1] == "Pass 2 of 3 · block 2 of 3 · 3 of 4 tokens · 2 drafts rejected"
    assert "3 drafts rejected" in shown[1]


def test_a_sample_races_against_that_of_another_run(visit: Open, tmp_path: Path) -> None:
    """A stored trace has no time of each pass: passes are spread between prefill and end."""

    def timed(answer: page_runs.Answer, total_s: float, passes: int) -> page_runs.Answer:
        def changed(problem: Problem, number: int) -> tuple[Completion, Verdict | None]:
            completion, verdict = answer(problem, number)
            return replace(completion, total_s=total_s, prefill_s=0.1, first_output_s=0.2, forwards=passes), verdict

        return changed

    traced = page_runs.cycling(["passed", "failed"], traced=True)
    passes = max(trace().steps) + 1
    one, other = timed(traced, 0.5, passes), timed(traced, 1.1, passes + 5)
    page_runs.write_run(tmp_path / "runs" / "ar", "humaneval", other, backend="ar", model="small")
    page_runs.write_run(tmp_path / "runs" / "dif", "humaneval", one, backend="diffusion", model="small")
    page_runs.write_run(tmp_path / "runs" / "plain", "humaneval", page_runs.cycling(["passed"]), model="plain")
    write_report(load_runs([tmp_path / "runs"]), tmp_path / "page")
    page = visit("#/run/dif/Sample%2F3/0", tmp_path / "page")
    choice = page.locator("select[aria-label='Race against']")
    assert choice.locator("option").count() == 2
    choice.select_option("0")
    page.wait_for_selector(".lane h2")
    assert page.locator(".lane h2").all_inner_texts() == ["diffusion small", "ar small"]

    def stats(lane: int) -> dict[str, str]:
        pairs = page.locator(".lane").nth(lane).locator(".stats > div")
        return dict(text.split("\n") for text in pairs.all_inner_texts())

    page.fill(".race .scrub", "300")
    halfway, behind = stats(0), stats(1)
    assert halfway["passes"] == str(passes // 2)
    assert int(behind["passes"]) < int(halfway["passes"])
    page.click(".race button[aria-label='To the end']")
    assert [stats(0)["passes"], stats(1)["passes"]] == [str(passes), str(passes + 5)]
    assert [stats(0)["time"], stats(1)["time"]] == ["0.500 s", "1.10 s"]
    assert page.locator(".lane .canvas").first.inner_text().startswith("".join(trace().tokens[:5]))
    page.click(".race button[aria-label='To the start']")
    assert page.locator(".race .token.fresh").count() == 0
    page.click(".race button[aria-label='Step forward']")
    assert page.locator(".race .lane").first.locator(".token.fresh").count() == trace().steps.count(0)


def test_a_sample_without_an_opponent_has_no_race(visit: Open) -> None:
    assert visit(ADDRESS).locator(".race").count() == 0
