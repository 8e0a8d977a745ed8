"""The code model that EVALHARNESS_BASE names: curl and the packages `openai` and `litellm` get the backend's texts."""

import gc
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import litellm
import openai
import pytest
from helpers.model_server import KEY, ModelServer, running_server

from evalharness.backends.ar import AutoregressiveBackend
from evalharness.backends.factory import BackendConfig
from evalharness.records import Message, Problem, Prompt, Request, Sampling

BASE = os.environ.get("EVALHARNESS_BASE", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(BASE).exists() or not BASE, reason="EVALHARNESS_BASE names no model"),
]

QUESTION = "Write a Python function that returns the largest of two numbers. Answer with code alone."
PREFIX, SUFFIX = "def double(values):\n    result = []\n", "    return result\n"
PROMPTS = {
    "text": Prompt("def add(a, b):\n"),
    "stop": Prompt('def count_vowels(text):\n    """Return the number of vowels."""\n', stops=("\ndef ", "\nclass ")),
    "chat": Prompt(messages=(Message("user", QUESTION),)),
    "infill": Prompt(PREFIX, suffix=SUFFIX),
}
TOKENS = 32
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """The texts of the backend itself, each request alone."""
    backend = AutoregressiveBackend(BackendConfig(BASE, 1, {}))
    requests = [Request(Problem(name, prompt, {}, ""), 0) for name, prompt in PROMPTS.items()]
    texts = {one.task_id: one.text for one in backend.generate(requests, Sampling(max_new_tokens=TOKENS))}
    backend.close()
    gc.collect()  # the server needs the memory
    return texts


@pytest.fixture(scope="module")
def base_server(expected: dict[str, str]) -> Iterator[ModelServer]:
    with running_server("--backend", "ar", "--model", BASE) as process:
        yield process


def curl(server: ModelServer, path: str, body: dict[str, Any]) -> Any:
    command: Sequence[str] = [
        "curl", "-sS", f"{server.url}/v1/{path}", "-H", f"Authorization: Bearer {KEY}", "-d", json.dumps(body),
    ]  # fmt: skip
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=300).stdout)["choices"][0]


def test_curl(base_server: ModelServer, expected: dict[str, str]) -> None:
    for name in ("text", "stop"):
        body = {"prompt": PROMPTS[name].text, "stop": list(PROMPTS[name].stops), "max_tokens": TOKENS}
        assert curl(base_server, "completions", body)["text"] == expected[name]
    infill = curl(base_server, "fim/completions", {"prompt": PREFIX, "suffix": SUFFIX, "max_tokens": TOKENS})
    assert infill["text"] == infill["message"]["content"] == expected["infill"]


def test_the_openai_package(base_server: ModelServer, expected: dict[str, str]) -> None:
    client = openai.OpenAI(base_url=f"{base_server.url}/v1", api_key=KEY, max_retries=0, timeout=300)
    model = client.models.list().data[0].id
    whole = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=TOKENS)
    assert whole.choices[0].message.content == expected["chat"]
    stream = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=TOKENS, stream=True)
    assert "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices) == expected["chat"]
    infilled = client.completions.create(model=model, prompt=PREFIX, suffix=SUFFIX, max_tokens=TOKENS)
    assert infilled.choices[0].text == expected["infill"]


def test_litellm(base_server: ModelServer, expected: dict[str, str]) -> None:
    model = base_server.http.get("/v1/models").json()["data"][0]["id"]
    common = {"api_base": f"{base_server.url}/v1", "api_key": KEY, "messages": MESSAGES, "max_tokens": TOKENS}
    assert litellm.completion(f"openai/{model}", **common).choices[0].message.content == expected["chat"]
    streamed = litellm.completion(f"openai/{model}", stream=True, **common)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == expected["chat"]


def test_eight_requests_at_once_with_and_without_drafts(base_server: ModelServer, expected: dict[str, str]) -> None:
    def ask(number: int) -> tuple[str, str]:
        name = list(PROMPTS)[number % 4]
        prompt = PROMPTS[name]
        body: dict[str, Any] = {"max_tokens": TOKENS, "stop": list(prompt.stops)}
        body |= {"draft": "lookup"} if number >= 4 else {}
        if prompt.messages:
            answer = base_server.post("chat/completions", messages=MESSAGES, **body).json()
            return name, answer["choices"][0]["message"]["content"]
        suffix = {} if prompt.suffix is None else {"suffix": prompt.suffix}
        return name, base_server.text(prompt=prompt.text, **suffix, **body)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert answers == [(name, expected[name]) for name, _ in answers]
