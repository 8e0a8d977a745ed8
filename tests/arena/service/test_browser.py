"""The arena in a real browser: voting by keyboard, a killed server, hostile answers, and the recorded speed."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import page_runs
from helpers.arena_runs import MODELS, write_runs
from helpers.arena_server import ArenaServer

from evalharness.arena.records import CHOICES
from evalharness.arena.store import VoteStore
from evalharness.records import Completion, Problem, Verdict

Enter = Callable[..., Any]
KEYS = {"first": "a", "second": "b", "tie": "t", "both_bad": "x", "skip": "s"}
NAMES = [model.split("/")[1] for model in MODELS]
RECORD_RESPONSES = """
  const original = window.fetch;
  window.received = [];
  window.fetch = async (address, request) => {
    const response = await original(address, request);
    if (address === "/api/pair") window.received.push(await response.clone().text());
    return response;
  };
"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def enter(browser: Any) -> Iterator[Enter]:
    """Opens the page of a server as a voter, until the first pair is shown; fails on errors in the page."""
    contexts, faults = [], []

    def entered(server: ArenaServer, voter: str, **context: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **context}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.add_init_script(RECORD_RESPONSES)
        page.goto(server.url + (f"/#token={server.secret}" if server.secret else ""))
        page.fill("#voter", voter)
        page.keyboard.press("Enter")
        return page

    yield entered
    for context in contexts:
        context.close()
    assert faults == []


def wait(page: Any, state: str) -> None:
    page.wait_for_selector(f"body[data-state={state}]")


def test_fifty_votes_of_two_voters_survive_a_killed_server(enter: Enter, arena_runs: Path, tmp_path: Path) -> None:
    server = ArenaServer(arena_runs, tmp_path)
    rng = random.Random(0)
    cast: dict[str, str] = {}
    try:
        pages = [enter(server, voter) for voter in ("Ada", "Bob")]
        for turn in range(25):
            for page in pages:
                wait(page, "voting")
                received = page.content() + page.evaluate("window.received.join()")
                assert page.get_attribute(".pair", "data-pair") in received
                assert not [name for name in NAMES if name in received]
                assert set(page.locator(".revealed").all_inner_texts()) == {""}
            for page in pages:
                choice = rng.choice(CHOICES)
                cast[page.get_attribute(".pair", "data-pair")] = choice
                page.keyboard.press(KEYS[choice])
            if turn in (8, 16):
                server.kill()  # while both votes are on their way
                server.start()
            for page in pages:
                wait(page, "revealed")
                assert sum(name in page.inner_text(".answers") for name in NAMES) == 2
                if turn == 12:
                    page.reload()
                else:
                    page.keyboard.press("Enter")
        assert server.stop()[0] == 0
    finally:
        server.kill()
    votes = VoteStore(tmp_path).votes()
    assert len(votes) == 50
    assert {vote.pair.id: vote.choice for vote in votes} == cast
    assert sum(vote.pair.voter == "Ada" for vote in votes) == 25
    assert all(vote.ms is not None and vote.ms < 60_000 for vote in votes)
    for voter in ("Ada", "Bob"):
        keys = [vote.pair.key for vote in votes if vote.pair.voter == voter]
        assert len(set(keys)) == 25


def test_a_vote_on_its_way_when_the_page_closes_is_sent_later(enter: Enter, arena_runs: Path, tmp_path: Path) -> None:
    server = ArenaServer(arena_runs, tmp_path)
    try:
        page = enter(server, "Ada")
        wait(page, "voting")
        pair = page.get_attribute(".pair", "data-pair")
        page.route("**/api/votes", lambda route: route.abort())
        page.keyboard.press("b")
        page.wait_for_selector("text=nothing is lost")
        page.unroute("**/api/votes")
        page.reload()
        wait(page, "voting")
        assert page.get_attribute(".pair", "data-pair") != pair
    finally:
        server.kill()
    [vote] = VoteStore(tmp_path).votes()
    assert (vote.pair.id, vote.choice) == (pair, "second")


def test_the_recorded_arm_on_a_phone_with_a_token(enter: Enter, arena_runs: Path, tmp_path: Path) -> None:
    server = ArenaServer(arena_runs, tmp_path, "--recorded", "1", token="a-secret")
    try:
        page = enter(server, "Ada", viewport=PHONE)
        wait(page, "voting")
        assert "a-secret" not in page.url
        assert "Recorded speed" in page.inner_text(".arm")
        assert page.inner_text(".answer.first code").strip()
        page.keyboard.press("t")
        wait(page, "revealed")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        visible = page.evaluate(
            "[0, 0.9, 1, 1.5, 2, 3].map(s => app.visibleLength(100, {first_s: 1, total_s: 2}, s))".replace(
                "app.", "evalharness."
            )
        )
        assert visible == [0, 0, 0, 50, 100, 100]
    finally:
        server.kill()
    assert VoteStore(tmp_path).votes()[0].pair.arm == "recorded"


RUN = "document.body.dataset.owned='yes'"
EVIL = f'</code></pre><img src=x onerror="{RUN}"><script>{RUN}</script>'


def test_infilling_is_shown_in_place_and_hostile_text_is_text(enter: Enter, tmp_path: Path) -> None:
    def hostile(name: str) -> Callable[[Problem, int], tuple[Completion, Verdict]]:
        def answer(problem: Problem, number: int) -> tuple[Completion, Verdict]:
            text = f"    {EVIL}{len(name)}"
            return Completion(problem.task_id, number, text, form="completion"), Verdict(
                problem.task_id, number, False, "failed"
            )

        return answer

    for name in ("one", f"{EVIL}two"):  # the arena hides the name in the answers, which must not contain all of it
        folder = tmp_path / "runs" / str(len(name))
        page_runs.write_run(folder, "fim-single-line", hostile(name), backend="openai", model=name)
    server = ArenaServer(tmp_path / "runs", tmp_path / "votes")
    try:
        page = enter(server, "Ada")
        wait(page, "voting")
        assert EVIL in page.inner_text(".answer.first mark")
        assert page.locator(".answer.first .around").count() == 2
        page.keyboard.press("v")
        page.keyboard.press("d")
        page.keyboard.press("x")
        wait(page, "revealed")
        assert page.get_attribute("body", "data-owned") is None
        assert "stacked" in page.get_attribute("body", "class")
        assert EVIL in page.inner_text(".answers")
    finally:
        server.kill()


def test_write_runs_names_no_model(tmp_path: Path) -> None:
    text = (write_runs(tmp_path) / "heron-7b" / "completions.jsonl").read_text()
    assert "heron-7b" not in text
