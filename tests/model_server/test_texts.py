"""Texts of the server against those of the backends run directly, for the same seed and settings."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from helpers.model_server import KEY, ModelServer

from evalharness.backends.ar import AutoregressiveBackend
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.backends.factory import BackendConfig
from evalharness.backends.openai.backend import OpenAIBackend
from evalharness.backends.openai.request_body import SEED_HEADER
from evalharness.generation.sampling import derive_sample_seed
from evalharness.records import Backend, Completion, Message, Problem, Prompt, Request, Sampling

PROMPTS = [
    Prompt("def add(a, b):\n", stops=("\ndef ", "\nclass ")),
    Prompt('def count_vowels(text):\n    """Counts the vowels of a text."""\n'),
    Prompt(messages=(Message("user", "Write a function that returns the largest of two numbers."),)),
    Prompt("def double(values):\n    result = []\n", suffix="\n    return result\n"),
    Prompt("import os\n\n\ndef names(folder):\n    ", stops=("return",)),
    Prompt(messages=(Message("system", "Be brief."), Message("user", "Reverse a list in Python."))),
    Prompt("x = [1, 2, 3]\n" * 40),
    Prompt("class Stack:\n    def push(self, item):\n", suffix="\n    def pop(self):\n        pass\n"),
]
REQUESTS = [Request(Problem(f"p/{number}", prompt, {}, ""), number % 3) for number, prompt in enumerate(PROMPTS)]
SAMPLED = Sampling(temperature=0.8, top_p=0.95, max_new_tokens=60, seed=7)
GREEDY = Sampling(max_new_tokens=60)

WAYS: list[tuple[str, dict[str, str], Sampling]] = [
    ("ar", {}, GREEDY),
    ("ar", {"draft": "8"}, SAMPLED),
    ("ar", {"draft": "lookup"}, GREEDY),
    ("diffusion", {}, GREEDY),
    ("diffusion", {"threshold": "0.6", "block": "8"}, SAMPLED),
    ("diffusion", {"rule": "confidence", "steps": "6"}, GREEDY),
    ("diffusion", {"rule": "editing", "threshold": "0.7"}, GREEDY),
    ("ar", {}, SAMPLED),
]
"""Eight ways of decoding, one for each of the eight requests that run at once."""


def direct(way: str, options: dict[str, str]) -> Backend:
    backend = AutoregressiveBackend if way == "ar" else DiffusionBackend
    return backend(BackendConfig(None, 1, options))


@pytest.fixture(scope="module")
def expected() -> list[Completion]:
    """Each request decoded alone, by the backend itself."""
    completions: list[Completion] = []
    for request, (way, options, sampling) in zip(REQUESTS, WAYS, strict=True):
        completions += direct(way, options).generate([request], sampling)
    return completions


def body_of(request: Request, way: str, options: dict[str, str], sampling: Sampling) -> tuple[str, dict[str, Any]]:
    prompt = request.problem.prompt
    body: dict[str, Any] = {"model": f"bundled:{way}", "max_tokens": sampling.max_new_tokens, "seed": 1}
    body |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "stop": list(prompt.stops)}
    for name, value in options.items():
        body[name] = value if name in ("rule",) or value == "lookup" else float(value) if "." in value else int(value)
    if prompt.messages:
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        return "chat/completions", body | {"messages": messages}
    body["prompt"] = prompt.text
    return "completions", body | ({} if prompt.suffix is None else {"suffix": prompt.suffix})


@pytest.mark.parametrize("streamed", [False, True])
def test_eight_requests_with_different_settings_at_once(
    server: ModelServer, expected: list[Completion], streamed: bool
) -> None:
    def ask(number: int) -> tuple[str, int, int]:
        request, (way, options, sampling) = REQUESTS[number], WAYS[number]
        path, body = body_of(request, way, options, sampling)
        headers = {SEED_HEADER: str(derive_sample_seed(sampling.seed, request.key))}
        if streamed:
            with server.http.stream("POST", f"/v1/{path}", json={**body, "stream": True}, headers=headers) as response:
                return text_of_stream("".join(response.iter_text())), -1, -1
        answer = server.http.post(f"/v1/{path}", json=body, headers=headers).json()
        choice, usage = answer["choices"][0], answer["usage"]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        return text, usage["completion_tokens"], usage["forward_passes"]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert [text for text, _, _ in answers] == [completion.text for completion in expected]
    if not streamed:
        assert [tokens for _, tokens, _ in answers] == [completion.output_tokens for completion in expected]
        # How long drafts by lookup are depends on what passes cost, which is measured.
        passes = [(served, alone.forwards) for (_, _, served), alone in zip(answers, expected, strict=True)]
        assert all(served == alone for number, (served, alone) in enumerate(passes) if number != 2)


def text_of_stream(raw: str) -> str:
    text = ""
    for block in raw.split("\n\n")[:-2]:
        choice = json.loads(block.removeprefix("data: "))["choices"][0]
        text += choice["delta"]["content"] if "delta" in choice else choice["text"]
    return text


@pytest.mark.parametrize(("way", "sampling"), [("ar", SAMPLED), ("diffusion", SAMPLED), ("diffusion", GREEDY)])
def test_the_harness_openai_backend_gets_the_same_texts(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, way: str, sampling: Sampling
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    options = {"base_url": f"{server.url}/v1", "concurrency": "8", "max_stops": "8"}
    client = OpenAIBackend(BackendConfig(f"bundled:{way}", 1, options))
    alone = {completion.key: completion for completion in direct(way, {}).generate(REQUESTS, sampling)}
    served = {completion.key: completion for completion in client.generate(REQUESTS, sampling)}
    for key, completion in alone.items():
        assert served[key].text == completion.text
        assert served[key].output_tokens == completion.output_tokens
        assert served[key].prompt_tokens == completion.prompt_tokens
        assert served[key].finish_reason == completion.finish_reason


def test_choices_differ_and_the_first_is_that_of_the_seed(server: ModelServer) -> None:
    body = {"prompt": "def f(", "max_tokens": 20, "temperature": 1.2, "seed": 5}
    choices = server.post("completions", **body, n=3).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["text"] for choice in choices}) == 3
    assert server.text(**body) == choices[0]["text"]
    assert server.post("completions", **body, n=3).json()["choices"] == choices
