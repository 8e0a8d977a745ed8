"""Pictures of the arena: a pair before the vote, and the report of simulated voters."""

import math
import random
import tempfile
from pathlib import Path

from browsing import running, take_screenshot, window
from playwright.sync_api import Browser
from scipy.special import expit

from evalharness.arena.entrants import load_entrants
from evalharness.arena.measurements import write_measurements
from evalharness.arena.records import AnswerPair, VoteChoice
from evalharness.arena.report.page import write_report
from evalharness.arena.report.tables import make_section, mean_pass_at_1
from evalharness.arena.service.session import VotingSession
from evalharness.arena.statistics.summary import summarize_votes_of_people_and_judges
from evalharness.arena.store import VoteStore
from evalharness.data.runs import Run

BOTH_HAVE_SOME_LINES = """() => [...document.querySelectorAll(".answer code")]
    .map((code) => code.textContent)
    .every((text) => text.length < 400 && text.split("\\n").length >= 4)"""
VOTERS, VOTES = 24, 40
PASSING, POSITION, LATENCY, TASTE = 2.5, 0.5, 0.3, 0.4
"""Log odds: of an answer that passes, of the first one, of one that took half as long, and the spread of tastes."""


def draw_arena(browser: Browser, runs: list[Run], folders: list[Path]) -> None:
    """Takes the screenshots of the arena of these runs."""
    with tempfile.TemporaryDirectory() as folder:
        with (
            running("arena", "serve", *folders, "--votes", f"{folder}/new", "--uniform") as url,
            window(browser, 1280, 860) as page,
        ):
            page.goto(url)
            page.fill("#voter", "Ada")
            page.keyboard.press("Enter")
            page.wait_for_selector("body[data-state=voting]")
            while not page.evaluate(BOTH_HAVE_SOME_LINES):
                page.keyboard.press("s")
                page.wait_for_selector("body[data-state=revealed]")
                page.keyboard.press("Enter")
                page.wait_for_selector("body[data-state=voting]")
            take_screenshot(page, "arena-pair")
        with window(browser, 1280, 1230) as page:
            page.goto(simulated_report(runs, Path(folder)).as_uri())
            take_screenshot(page, "arena-report")


def simulated_report(runs: list[Run], folder: Path) -> Path:
    """Lets simulated voters vote, and returns the path of the report's page."""
    entrants = load_entrants(runs)
    store = VoteStore(folder / "votes")
    write_measurements(store.folder, entrants.measurements)
    session = VotingSession(entrants, store, recorded=0.4, seed=0)
    rng = random.Random(0)
    for number in range(VOTERS):
        voter = f"voter {number}"
        taste = {model: rng.gauss(0, TASTE) for model in entrants.model_labels}
        for _ in range(VOTES):
            if view := session.next_pair(voter).pair:
                pair = store.find_pair(view.id)
                assert pair
                session.record_vote(view.id, voter, choose(pair, taste, rng), round(rng.lognormvariate(9, 0.5)))
    rates = {
        model: rate for model, known in entrants.measurements.items() if (rate := mean_pass_at_1(known)) is not None
    }
    groups = summarize_votes_of_people_and_judges(store.votes(), rates)
    return write_report(
        folder / "report",
        groups,
        [make_section(group, entrants.measurements) for group in groups],
        entrants.measurements,
    )


def choose(pair: AnswerPair, taste: dict[str, float], rng: random.Random) -> VoteChoice:
    """Returns the choice of a voter who reads, prefers what works, and is a little impatient."""
    first, second = pair.first, pair.second
    if not first.passed and not second.passed and rng.random() < 0.5:
        return "both_bad"
    if rng.random() < 0.15:
        return "tie"
    advantage = (
        PASSING * (bool(first.passed) - bool(second.passed)) + taste[first.model] - taste[second.model] + POSITION
    )
    if pair.arm == "recorded" and first.wait_s and second.wait_s:
        advantage += LATENCY * math.log2(second.wait_s / first.wait_s)
    return "first" if rng.random() < expit(advantage) else "second"
