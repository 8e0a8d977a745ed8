"""A scripted voter who prefers answers that pass gives strengths in the order of pass@1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness.arena.entrants import load_entrants
from evalharness.arena.records import VoteChoice
from evalharness.arena.service.session import VotingSession
from evalharness.arena.statistics.summary import VoteSummary, summarize_votes
from evalharness.arena.store import VoteStore
from evalharness.data.runs import Run
from evalharness.report.naming import name_runs
from evalharness.report.run_metrics import pass_rate_of
from evalharness.report.runs import load_runs

Command = Callable[..., Any]


def vote_on_all_pairs(runs: Path, folder: Path, voters: int = 6) -> VoteSummary:
    """Votes of voters who see every pair, and prefer the answer that passes; otherwise they say tie, or both bad."""
    loaded = load_runs([runs])
    session = VotingSession(load_entrants(loaded), VoteStore(folder), seed=0)
    for number in range(voters):
        voter = f"voter {number}"
        while view := session.next_pair(voter).pair:
            pair = session.store.find_pair(view.id)
            assert pair
            passed = pair.first.passed, pair.second.passed
            choices: dict[Any, VoteChoice] = {(True, False): "first", (False, True): "second", (True, True): "tie"}
            session.record_vote(view.id, voter, choices.get(passed, "both_bad"), 1)
    return summarize_votes(session.store.votes(), rates_of(loaded))


def rates_of(runs: list[Run]) -> dict[str, float]:
    rates = {name.label: pass_rate_of(run) for run, name in zip(runs, name_runs(runs), strict=True)}
    return {label: rate.value for label, rate in rates.items() if rate}


def test_strengths_have_the_order_of_pass_at_1(arena_runs: Path, tmp_path: Path) -> None:
    summary = vote_on_all_pairs(arena_runs, tmp_path)
    rates = rates_of(load_runs([arena_runs]))
    assert [row.model for row in summary.models] == sorted(rates, key=lambda model: -rates[model])
    assert summary.rate_correlation == 1
    assert summary.verdicts.failing_preferred == 0
    assert summary.verdicts.votes > 0
    assert summary.voter_agreement.alpha == 1
    low, high = summary.position[1]
    assert low <= 0 <= high


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.data
def test_real_runs_of_the_bundled_network_and_the_reference_solutions(
    engine: None, datasets_dir: Path, tmp_path: Path, command: Command
) -> None:
    for backend in ("reference", "ar", "diffusion"):
        done = command(
            "run", "--task", "humaneval", "--data", datasets_dir, "--backend", backend, "--max-new-tokens", 128,
            "--out", tmp_path / "runs" / backend,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    summary = vote_on_all_pairs(tmp_path / "runs", tmp_path / "votes", voters=1)
    rates = rates_of(load_runs([tmp_path / "runs"]))
    ranked = [rates[row.model] for row in summary.models]
    assert ranked == sorted(ranked, reverse=True)
