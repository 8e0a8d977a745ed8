"""A server of the backend `transformers`: whole texts, equal to the backend's, and clear refusals."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from helpers import tiny_model

from evalharness.errors import UserError
from evalharness.model_server.app import make_app
from evalharness.model_server.config import ServerConfig
from evalharness.model_server.engine.factory import open_engine
from evalharness.model_server.playground.problems import PlaygroundProblems
from evalharness.records import Sampling


@pytest.fixture(scope="module")
def client(model: Path) -> Iterator[TestClient]:
    config = ServerConfig(backend="transformers", model=str(model), concurrency=4)
    engine = open_engine(config, print)
    with TestClient(make_app(config, engine, PlaygroundProblems(config, print)), base_url="http://127.0.0.1") as client:
        yield client
    engine.close()


def test_texts_equal_those_of_the_backend(client: TestClient, model: Path) -> None:
    alone = tiny_model.complete(model, tiny_model.request("def f"), Sampling(max_new_tokens=12))
    body = {"prompt": "def f", "max_tokens": 12}
    answer = client.post("/v1/completions", json=body).json()
    assert answer["choices"][0]["text"] == alone.text
    assert answer["usage"]["completion_tokens"] == alone.output_tokens
    several = client.post("/v1/completions", json={**body, "prompt": ["def f", "def f"], "n": 2}).json()["choices"]
    assert [choice["text"] for choice in several] == [alone.text] * 4
    with client.stream("POST", "/v1/completions", json={**body, "stream": True}) as response:
        assert json.dumps(alone.text).encode() in response.read()
    sampled = {**body, "temperature": 1, "seed": 4}
    first = client.post("/v1/completions", json=sampled).json()["choices"]
    assert client.post("/v1/completions", json=sampled).json()["choices"] == first


@pytest.mark.parametrize(
    ("more", "parameter"),
    [({"threshold": 0.5}, "threshold"), ({"draft": 2}, "draft"), ({"logprobs": 1}, "denoising_frames"),
     ({"stream": True, "diffusing": True}, "denoising_frames"), ({"suffix": "x"}, "suffix")],
)  # fmt: skip
def test_what_the_backend_does_not_have_is_refused(client: TestClient, more: object, parameter: str) -> None:
    body = {"prompt": "def f", "max_tokens": 4, **more}  # type: ignore[dict-item]
    response = client.post("/v1/completions", json=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == parameter


def test_only_backends_that_run_a_model_are_served() -> None:
    with pytest.raises(UserError, match="unknown backend to serve 'openai'"):
        open_engine(ServerConfig(backend="openai"), print)
