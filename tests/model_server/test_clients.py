"""The real clients: the packages `openai` and `litellm`, and curl."""

import json
import subprocess
from typing import Any

import litellm
import openai
import pytest
from helpers.model_server import KEY, ModelServer

PROMPT = "def add(a, b):\n"
MESSAGES: Any = [{"role": "user", "content": "Write a function that adds two numbers."}]


@pytest.fixture(scope="module")
def client(server: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)


def test_the_openai_package(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {"bundled", "bundled:ar", "bundled:diffusion"}
    chat = client.chat.completions.create(model="bundled", messages=MESSAGES, max_tokens=24)
    assert chat.usage is not None
    assert chat.usage.completion_tokens_details is not None
    assert chat.usage.completion_tokens <= 24
    pieces = []
    for chunk in client.chat.completions.create(
        model="bundled",
        messages=MESSAGES,
        max_tokens=24,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"denoising_frames": True},
    ):
        pieces += [choice.delta.content or "" for choice in chunk.choices]
    assert "".join(pieces) == chat.choices[0].message.content
    assert chunk.usage == chat.usage
    text = client.completions.create(
        model="bundled:ar", prompt=PROMPT, suffix="\n", max_tokens=16, extra_body={"draft": 4}
    )
    assert text.choices[0].text


def test_errors_in_the_openai_package(client: openai.OpenAI, server: ModelServer) -> None:
    with pytest.raises(openai.BadRequestError, match="threshold") as refused:
        client.completions.create(model="bundled", prompt=PROMPT, extra_body={"threshold": 2})
    assert refused.value.param == "threshold"
    with pytest.raises(openai.NotFoundError, match="not served"):
        client.completions.create(model="gpt", prompt=PROMPT)
    with pytest.raises(openai.AuthenticationError, match="wrong access token"):
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="other").models.list()


def test_litellm(server: ModelServer) -> None:
    common = {"api_base": f"{server.url}/v1", "api_key": KEY, "messages": MESSAGES, "max_tokens": 24}
    whole = litellm.completion("openai/bundled", **common)
    streamed = litellm.completion("openai/bundled", stream=True, **common)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == whole.choices[0].message.content
    options = litellm.completion("openai/bundled", extra_body={"threshold": 0.4}, **common)
    assert options.usage.completion_tokens > 0


def test_curl(server: ModelServer) -> None:
    body = json.dumps({"prompt": PROMPT, "max_tokens": 16})
    command = ["curl", "-sS", f"{server.url}/v1/completions", "-H", f"Authorization: Bearer {KEY}", "-d", body]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert answer["choices"][0]["text"] == server.text(prompt=PROMPT, max_tokens=16)
