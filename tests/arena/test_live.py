"""Live models: both are asked at once, nothing of them is shown before the vote, and their answers are kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import openai_server

from evalharness.arena.entrants import Entrants, check_entrants_are_comparable, load_entrants
from evalharness.arena.live import LIVE, LiveModels, open_live_models
from evalharness.arena.measurements import add_live_speeds
from evalharness.arena.service.session import VotingSession
from evalharness.arena.store import VoteStore
from evalharness.errors import UserError
from evalharness.report.runs import load_runs
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.http.refusals import RequestRefused

NAMES = ("openai:org/merlin-7b", "openai:org/osprey-7b")


def by_model(reply: openai_server.Reply) -> None:
    """Answers slowly, and differently for each model."""
    openai_server.answer_with(f"    return {len(reply.body['model'])}{reply.body['model'][4]!r}\n", delay_s=0.2)(reply)


@pytest.fixture
def endpoint() -> Iterator[openai_server.Endpoint]:
    with openai_server.serving() as endpoint:
        endpoint.default = by_model
        yield endpoint


def opened(
    endpoint: openai_server.Endpoint, folder: Path, entrants: Entrants | None = None
) -> tuple[VotingSession, LiveModels]:
    entrants = entrants or Entrants()
    options = {"base_url": endpoint.url, "recipe": "completion", "max_retries": "0"}
    store = VoteStore(folder)
    live = open_live_models(NAMES, entrants, [], folder, "humaneval", "sample", options, lambda text: None)
    check_entrants_are_comparable(entrants)
    return VotingSession(entrants, store, ask=live.ask_live_models, seed=0), live


def test_both_models_are_asked_at_once_and_shown_together(endpoint: openai_server.Endpoint, tmp_path: Path) -> None:
    session, live = opened(endpoint, tmp_path)
    view = session.next_pair("Ada").pair
    assert view
    assert view.arm == "live"
    assert endpoint.most_in_flight == 2
    assert {body["model"] for body in endpoint.bodies} == {"org/merlin-7b", "org/osprey-7b"}
    assert view.first.timing is view.second.timing is None
    text = view.model_dump_json()
    assert "merlin" not in text
    assert "osprey" not in text
    reveal = session.record_vote(view.id, "Ada", "first", 5)
    assert {reveal.first.model, reveal.second.model} == {"merlin-7b", "osprey-7b"}
    assert reveal.first.total_s
    assert reveal.first.total_s >= 0.2
    live.close()
    speeds = add_live_speeds(session.entrants.measurements, session.store.votes())
    assert speeds["merlin-7b"]["tasks"]["live"]["tokens_per_s"] > 0


@pytest.mark.docker
def test_live_answers_are_graded_before_they_are_shown(
    engine: None, endpoint: openai_server.Endpoint, tmp_path: Path
) -> None:
    session, live = opened(endpoint, tmp_path)
    sandbox = open_sandbox("docker", 1, {}, print)
    live.enable_grading(sandbox)
    solutions = {shown.problem.prompt.text: shown.problem for shown in session.entrants.problems.values()}

    def solve_or_fail(reply: openai_server.Reply) -> None:
        problem = solutions[reply.body["prompt"]]
        right = (problem.reference or "").removeprefix(problem.prefix)
        text = right if "merlin" in reply.body["model"] else "    return None\n"
        openai_server.answer_with(text)(reply)

    endpoint.default = solve_or_fail
    view = session.next_pair("Ada").pair
    assert view
    reveal = session.record_vote(view.id, "Ada", "tie", 5)
    assert {side.model: side.status for side in (reveal.first, reveal.second)} == {
        "merlin-7b": "passed", "osprey-7b": "failed",
    }  # fmt: skip
    live.close()
    sandbox.close()


def test_a_pair_that_waits_is_shown_again_after_a_restart(endpoint: openai_server.Endpoint, tmp_path: Path) -> None:
    session, live = opened(endpoint, tmp_path)
    view = session.next_pair("Ada").pair
    live.close()
    assert len((tmp_path / LIVE).read_text().splitlines()) == 2
    again, live = opened(endpoint, tmp_path)
    assert again.next_pair("Ada").pair == view
    assert len(endpoint.bodies) == 2
    live.close()


def test_a_voter_sees_each_problem_of_two_live_models_once(endpoint: openai_server.Endpoint, tmp_path: Path) -> None:
    endpoint.default = openai_server.answer_with("    return 1\n")
    session, live = opened(endpoint, tmp_path)
    problems = []
    while view := session.next_pair("Ada").pair:
        problems.append(view.task_id)
        session.record_vote(view.id, "Ada", "skip", None)
    assert sorted(problems) == sorted(task_id for _, task_id in session.entrants.problems)
    live.close()


def test_a_model_that_fails_is_named_only_as_live_and_no_pair_is_drawn(
    endpoint: openai_server.Endpoint, tmp_path: Path
) -> None:
    endpoint.default = openai_server.http_error(500, "out of memory")
    session, live = opened(endpoint, tmp_path)
    with pytest.raises(RequestRefused, match="press Enter to retry") as refused:
        session.next_pair("Ada")
    assert "merlin" not in str(refused.value)
    assert "osprey" not in str(refused.value)
    assert session.store.pairs() == []
    live.close()


def test_a_live_model_meets_a_run(endpoint: openai_server.Endpoint, arena_runs: Path, tmp_path: Path) -> None:
    runs = load_runs([arena_runs / "heron-7b"])
    entrants = load_entrants(runs)
    live = open_live_models(NAMES[:1], entrants, runs, tmp_path, "", None, {"base_url": endpoint.url}, print)
    session = VotingSession(entrants, VoteStore(tmp_path), ask=live.ask_live_models)
    view = session.next_pair("Ada").pair
    assert view
    [pair] = session.store.pairs()
    assert {pair.first.model, pair.second.model} == {"heron-7b", "merlin-7b"}
    assert len(endpoint.bodies) == 1
    live.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpt-4", "is not of the form BACKEND:MODEL; give for example"),
        ("opnai:m", "unknown backend 'opnai'; did you mean openai"),
    ],
)
def test_an_impossible_model_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        open_live_models([name], Entrants(), [], tmp_path, "humaneval", "sample", {}, print)


@pytest.mark.parametrize(
    ("task", "option", "message"),
    [
        ("", {"recipe": "chat"}, "--option recipe has no effect"),
        ("humaneval", {"memory_gb": "2"}, "--option memory_gb has no effect"),
        ("humaneval", {"concurency": "2"}, "did you mean concurrency"),
    ],
)
def test_an_option_that_nothing_reads_is_refused(
    task: str, option: dict[str, str], message: str, arena_runs: Path, tmp_path: Path
) -> None:
    runs = load_runs([arena_runs / "heron-7b"])
    with pytest.raises(UserError, match=message):
        open_live_models(NAMES[:1], load_entrants(runs), runs, tmp_path, task, "sample", option, print)
