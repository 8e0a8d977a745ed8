"""The page's API: what a voter learns before and after a vote, and requests that are refused."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evalharness.arena.entrants import Entrants, load_entrants
from evalharness.arena.service.app import STATIC, make_app
from evalharness.arena.service.config import ArenaConfig
from evalharness.arena.service.session import VotingSession
from evalharness.arena.store import VoteStore
from evalharness.errors import UserError
from evalharness.report.runs import load_runs

URL = "http://127.0.0.1"
BEFORE_THE_VOTE = {
    "id", "task", "task_id", "language", "form", "question", "prefix", "suffix", "first", "second", "arm",
}  # fmt: skip


@pytest.fixture(scope="module")
def entrants(arena_runs: Path) -> Entrants:
    return load_entrants(load_runs([arena_runs]))


@pytest.fixture
def session(entrants: Entrants, tmp_path: Path) -> VotingSession:
    return VotingSession(entrants, VoteStore(tmp_path / "votes"), seed=3)


@pytest.fixture
def client(session: VotingSession, tmp_path: Path) -> Iterator[TestClient]:
    config = ArenaConfig((), tmp_path)
    with TestClient(make_app(session, config.limits), base_url=URL) as client:
        yield client


def pair(client: TestClient, voter: str = "Ada") -> Any:
    return client.post("/api/pair", json={"voter": voter}).json()["pair"]


def test_before_the_vote_nothing_depends_on_the_models(client: TestClient, entrants: Entrants) -> None:
    for number in range(20):
        response = client.post("/api/pair", json={"voter": f"voter {number}"})
        view = response.json()["pair"]
        assert set(view) == BEFORE_THE_VOTE
        assert view["first"].keys() == view["second"].keys() == {"text", "timing"}
        assert view["first"]["timing"] is view["second"]["timing"] is None
        assert not [model for model in entrants.model_labels if model in response.text]


def test_after_the_vote_names_verdicts_and_speeds_are_revealed(client: TestClient, session: VotingSession) -> None:
    view = pair(client)
    reveal = client.post("/api/votes", json={"id": view["id"], "voter": "Ada", "choice": "second", "ms": 900}).json()
    [vote] = session.store.votes()
    assert (vote.choice, vote.ms, vote.pair.id) == ("second", 900, view["id"])
    for side in ("first", "second"):
        recorded = getattr(vote.pair, side)
        assert reveal[side] == {
            "model": recorded.model, "status": recorded.status, "total_s": recorded.total_s, "output_tokens": 20,
        }  # fmt: skip
        assert recorded.passed == (recorded.status == "passed")
    assert reveal["votes"] == 1


def test_a_pair_waits_for_its_vote_and_the_first_vote_counts(client: TestClient, session: VotingSession) -> None:
    view = pair(client)
    assert pair(client) == view
    body = {"id": view["id"], "voter": "Ada", "choice": "tie"}
    assert client.post("/api/votes", json=body).json()["choice"] == "tie"
    assert client.post("/api/votes", json={**body, "choice": "first"}).json()["choice"] == "tie"
    assert len(session.store.votes()) == 1
    assert pair(client)["id"] != view["id"]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"id": "none"}, 404, "no pair of answers has this id"),
        ({"voter": "Eve"}, 403, "selected for another voter"),
        ({"choice": "left"}, 422, "choice"),
        ({"ms": -1}, 422, "ms"),
        ({"voter": "model:judge"}, 422, "must not begin with"),
        ({"more": 1}, 422, "more"),
    ],
)
def test_an_impossible_vote_is_refused(
    client: TestClient, session: VotingSession, change: dict[str, object], status: int, message: str
) -> None:
    body = {"id": pair(client)["id"], "voter": "Ada", "choice": "tie", "ms": 1}
    response = client.post("/api/votes", json={**body, **change})
    assert response.status_code == status
    assert message in response.json()["error"]
    assert session.store.votes() == []


def test_a_form_of_another_site_cannot_vote(client: TestClient, session: VotingSession) -> None:
    body = f'{{"id": "{pair(client)["id"]}", "voter": "Ada", "choice": "tie"}}'
    response = client.post("/api/votes", content=body, headers={"content-type": "text/plain"})
    assert response.status_code == 422
    assert session.store.votes() == []


def test_the_recorded_arm_has_times_and_is_marked(entrants: Entrants, tmp_path: Path) -> None:
    session = VotingSession(entrants, VoteStore(tmp_path), recorded=1.0, seed=0)
    view = session.next_pair("Ada").pair
    assert view
    assert view.arm == "recorded"
    [drawn] = session.store.pairs()
    for shown, side in ((view.first, drawn.first), (view.second, drawn.second)):
        assert shown.timing
        assert shown.timing.total_s == side.total_s == side.wait_s
        assert shown.timing.first_s == side.total_s / 4


def test_a_share_of_the_pairs_is_recorded(entrants: Entrants, tmp_path: Path) -> None:
    session = VotingSession(entrants, VoteStore(tmp_path), recorded=0.5, seed=0)
    for number in range(60):
        session.next_pair(f"voter {number}")
    recorded = sum(pair.arm == "recorded" for pair in session.store.pairs())
    assert 15 < recorded < 45


def test_the_page_loads_its_own_files_and_nothing_else(client: TestClient) -> None:
    page = client.get("/")
    names = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)
    assert len(names) == len(set(names)) > 10
    assert not re.search(r"<script(?! src=)|<style|https?://(?!www.w3.org)", page.text)
    for response in (page, *(client.get(name) for name in names)):
        assert response.status_code == 200
        assert response.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-cache"


def test_the_page_needs_no_token_and_its_data_do(session: VotingSession, tmp_path: Path) -> None:
    config = ArenaConfig((), tmp_path, token="a secret")
    with TestClient(make_app(session, config.limits), base_url=URL) as client:
        for path in ("/", "/health", "/static/arena.js", "/static/theme.css"):
            assert client.get(path).status_code == 200
        assert client.post("/api/pair", json={"voter": "Ada"}).status_code == 401
        headers = {"authorization": "Bearer a secret"}
        assert client.post("/api/pair", json={"voter": "Ada"}, headers=headers).status_code == 200


def test_a_page_of_another_site_cannot_read_or_vote(client: TestClient, session: VotingSession) -> None:
    for path, body in (("/api/pair", {"voter": "Ada"}), ("/api/votes", {"id": "x", "voter": "Ada", "choice": "tie"})):
        response = client.post(path, json=body, headers={"host": "evil.example:8378"})
        assert response.status_code == 421
        assert "--allowed-host" in response.json()["error"]
    assert session.store.pairs() == []
    assert client.post("/api/pair", json={"voter": "Ada"}, headers={"host": "localhost:8378"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/README.md", "/static/body.html", "/docs", "/openapi.json"],
)
def test_other_files_are_not_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recorded": 1.5}, "--recorded 1.5 is not a fraction"),
        ({"runs": ()}, "give run directories, or --live"),
        ({"task": "humaneval"}, "--task and --option apply only to live models"),
        ({"options": {"recipe": "chat"}}, "--task and --option apply only to live models"),
        ({"sandbox": "docker"}, "--with-sandbox grades only the answers of live models"),
        ({"host": "0.0.0.0"}, "set \\$EVALHARNESS_TOKEN"),
        ({"port": 0}, "choose one from 1 to 65535"),
        ({"allowed_hosts": ("http://arena",)}, "--allowed-host http://arena is not a host name"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"runs": (Path("run"),), "votes": Path("votes"), **change}
    with pytest.raises(UserError, match=message):
        ArenaConfig(**settings).check()


def test_no_script_of_the_page_parses_text_as_html() -> None:
    scripts = sorted(STATIC.glob("*.js"))
    assert len(scripts) == 4
    for script in scripts:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script.read_text()
        )
