"""From two served models to the reports, with one command each: run, sweep, compare, frontier, leaderboard, report."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.openai_server import Reply, serving

from evalharness.util.paths import bundled_folder

pytestmark = pytest.mark.docker
Command = Callable[..., "subprocess.CompletedProcess[str]"]
SOLUTIONS = [
    json.loads(line) for line in (bundled_folder("tasks") / "samples" / "humaneval.jsonl").read_text().splitlines()
]


def answer(reply: Reply) -> None:
    """Sends the official solution or a wrong one. A higher temperature is faster and more often wrong.

    Model `slow` fails every sixth problem and sends 8 characters per chunk; model `fast` sends 32.
    """
    number = next(number for number, row in enumerate(SOLUTIONS) if row["prompt"] == reply.body["prompt"])
    fast, temperature = reply.body["model"] == "fast", float(reply.body["temperature"])
    right = number % 6 != 5 if not fast else number % 10 >= 10 * temperature
    text = SOLUTIONS[number]["canonical_solution"] if right else "    return 'another'\n"
    parts = [text[start : start + 8] for start in range(0, len(text), 8)]
    width = 4 if fast else 1
    reply.start()
    for start in range(0, len(parts), width):
        time.sleep(0.02 * (1 - temperature / 2) if fast else 0.02)
        reply.event(reply.text("".join(parts[start : start + width])))
    reply.event(reply.text(None, "stop"))
    reply.event({"choices": [], "usage": {"prompt_tokens": 90, "completion_tokens": len(parts)}})
    reply.raw(b"data: [DONE]\n\n")
    reply.end()


def test_reports_of_two_models(tmp_path: Path, cli: Command, engine: None) -> None:
    def good(*words: object) -> str:
        done = cli(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with serving() as endpoint:
        endpoint.default = answer
        common = ("--task", "humaneval", "--data", "sample", "--backend", "openai", "--workers", "1")
        served = ("--option", f"base_url={endpoint.url}", "--option", "concurrency=2", "--option", "hardware=a script")
        slow = ("--model", "slow", "--option", "family=ar", "--out", tmp_path / "runs" / "slow")
        fast = ("--model", "fast", "--option", "family=diffusion", "--out", tmp_path / "runs" / "fast")
        good("run", *common, *served, *slow)
        good("sweep", *common, *served, *fast, "--n", "1", "--option", "temperature=0.1,0.3,0.5")

    runs, fast_cool = tmp_path / "runs", tmp_path / "runs" / "fast" / "temperature=0.1" / "humaneval"
    comparison = good("compare", runs / "slow", fast_cool, "--show", "1", "--margin", "10")
    assert "UNFAIR      sampling: temperature 0.0 vs 0.1" in comparison
    assert "times the tokens/s" in comparison
    assert "prompt:" in comparison
    assert "def " in comparison

    listed = good("frontier", runs, "--published", "mercury", "--out", tmp_path / "frontier.png")
    assert "fast (temperature=0.1)" in listed
    assert (tmp_path / "frontier.png").stat().st_size > 20_000
    board = good("leaderboard", runs)
    assert "Bundled sample problems" in board
    assert len([line for line in board.splitlines() if line.startswith("| fast (temperature=")]) == 3
    good("leaderboard", runs, "--out", tmp_path / "leaderboard.html")
    page = good("report", runs, "--out", tmp_path / "page")
    assert "written" in page
    assert (tmp_path / "page" / "index.html").exists()
