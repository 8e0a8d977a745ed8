"""Requests of the backend `openai`: bodies, address, key and options."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.openai_calls import CHAT, CHAT_WITH_PREFILL, KEY, TEXT, backend, complete, request
from helpers.openai_server import Endpoint

from evalharness.backends import BackendConfig, option_names
from evalharness.backends.openai.backend import OpenAIBackend
from evalharness.errors import UserError
from evalharness.records import Prompt, Sampling

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def test_option_names_are_known() -> None:
    assert {"base_url", "api", "concurrency", "max_stops", "extra"} <= option_names(OpenAIBackend)


def test_body_of_the_completions_api(endpoint: Endpoint) -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, max_new_tokens=17)
    complete(endpoint, Prompt(text="def f():", stops=("", *STOPS, "\ndef")), sampling)
    [body] = endpoint.bodies
    assert 0 <= body.pop("seed") < 2**31
    assert body == {
        "model": "m",
        "prompt": "def f():",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 17,
        "stop": list(STOPS[:4]),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert endpoint.paths == ["/v1/completions"]
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"


def test_body_of_the_chat_api(endpoint: Endpoint) -> None:
    extra = json.dumps({"top_k": 1, "seed": None})
    complete(endpoint, CHAT, max_tokens_field="max_completion_tokens", extra=extra, include_usage="false", max_stops=0)
    assert endpoint.bodies == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Write code."}, {"role": "user", "content": "f?"}],
            "temperature": 0.0,
            "top_p": 1.0,
            "max_completion_tokens": 768,
            "stream": True,
            "top_k": 1,
        }
    ]
    assert endpoint.paths == ["/v1/chat/completions"]


def test_prefill_is_sent_only_with_its_option(endpoint: Endpoint) -> None:
    with pytest.raises(UserError, match="prefill=true"):
        complete(endpoint, CHAT_WITH_PREFILL)
    assert not endpoint.bodies
    complete(endpoint, CHAT_WITH_PREFILL, prefill="true")
    assert endpoint.bodies[0]["messages"][-1] == {"role": "assistant", "content": "```python\n"}


def test_text_can_be_sent_as_chat_but_chat_not_as_text(endpoint: Endpoint) -> None:
    complete(endpoint, TEXT, api="chat")
    assert endpoint.bodies[0]["messages"] == [{"role": "user", "content": "def f():"}]
    with pytest.raises(UserError, match="api=completions"):
        complete(endpoint, CHAT, api="completions")


def test_every_sample_has_a_different_seed(endpoint: Endpoint) -> None:
    def seeds(seed: int) -> set[int]:
        endpoint.bodies.clear()
        requests = [request(sample_id=j, task_id=task) for task in ("a", "b") for j in range(3)]
        assert len(list(backend(endpoint).generate(requests, Sampling(seed=seed)))) == 6
        return {body["seed"] for body in endpoint.bodies}

    first, again, other = seeds(0), seeds(0), seeds(1)
    assert len(first) == 6
    assert first == again
    assert not first & other


def test_base_url_is_read_from_the_environment_with_its_query(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = endpoint.url.replace("//", "//user:password@") + "/?version=secret-version"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    source = backend()
    assert [c.text for c in source.generate([request()], Sampling())] == ["ok"]
    assert endpoint.paths == ["/v1/completions?version=secret-version"]
    assert endpoint.headers[0]["authorization"].startswith("Basic ")
    shown = json.dumps(source.describe())
    assert "127.0.0.1" in shown
    assert "password" not in shown
    assert "secret-version" not in shown


@pytest.mark.parametrize("key", [None, ""])
def test_no_authorization_header_without_a_key(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    complete(endpoint)
    assert "authorization" not in endpoint.headers[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "localhost:8000"}, "http://localhost:8000/v1"),
        ({"extra": "[1]"}, "extra"),
        ({"extra": '{"stop": []}'}, "max_stops"),
        ({"extra": '{"temperature": 1}'}, "--temperature"),
        ({"concurency": "3"}, "concurrency"),
        ({"concurrency": "0"}, "concurrency"),
        ({"tokenizer": "/nowhere/at/all"}, "tokenizer=/nowhere/at/all"),
    ],
)
def test_invalid_options_are_user_errors(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace())
    with pytest.raises(UserError, match=message) as caught:
        list(backend(**options).generate([], Sampling()))
    assert "\n" not in str(caught.value)


def test_model_is_required() -> None:
    with pytest.raises(UserError, match="--model"):
        OpenAIBackend(BackendConfig())


def test_description_has_address_and_options(endpoint: Endpoint) -> None:
    described = backend(endpoint, concurrency=3, extra='{"top_k": 1}').describe()
    assert json.loads(json.dumps(described)) == described
    assert (described["model"], described["base_url"], described["concurrency"]) == ("m", endpoint.url, 3)
    assert (described["api"], described["max_stops"], described["extra"]) == ("auto", 4, {"top_k": 1})
