"""Requests as editors send them: Continue's providers `mistral` and `inception`, and Zed's edit predictions."""

import json
from typing import Any

from helpers.model_server import ModelServer

BEFORE, AFTER = "def double(values):\n    result = []\n", "    return result\n"


def streamed(server: ModelServer, path: str, body: dict[str, Any]) -> list[Any]:
    """The first choice of each chunk, read as Continue reads it: chunks without choices would be an error there."""
    with server.http.stream("POST", f"/v1/{path}", content=json.dumps({**body, "stream": True})) as response:
        assert response.status_code == 200, response.read()
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    return [json.loads(line[6:])["choices"][0] for line in lines[:-1]]


def test_infilling_of_continue(server: ModelServer) -> None:
    expected = server.text(prompt=BEFORE, suffix=AFTER, max_tokens=24)
    body = {"model": "bundled", "prompt": BEFORE, "suffix": AFTER, "max_tokens": 24, "temperature": 0, "stop": []}
    by_mistral = streamed(server, "fim/completions", body)
    assert "".join(choice["delta"]["content"] for choice in by_mistral) == expected
    inception = {**body, "stop": ["\n\n", "\n \n"], "max_tokens": 150}
    assert "".join(choice["text"] for choice in streamed(server, "completions", inception))
    inception["suffix"] = "<|endoftext|>"
    assert streamed(server, "completions", inception)[-1]["finish_reason"] in ("stop", "length")


def test_infilling_of_zed(server: ModelServer) -> None:
    prompt = f"<|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>"
    stops = ["<|endoftext|>", "<|file_sep|>", "<|fim_pad|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
    body = {"model": "bundled", "prompt": prompt, "max_tokens": 64, "temperature": 0.2, "stop": stops, "stream": False}
    assert server.post("completions", **body).status_code == 200
    greedy = server.text(**{**body, "temperature": 0, "max_tokens": 24})
    assert greedy == server.text(prompt=BEFORE, suffix=AFTER, max_tokens=24)
