"""Starts the model server in its own process, on a loopback address."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from helpers.server_process import ServerProcess

KEY = "correct horse"


class ModelServer(ServerProcess):
    """A running server; `arguments` are added to its command line."""

    def __init__(self, *arguments: str, key: str = KEY):
        super().__init__("serve", *arguments, secret=key, EVALHARNESS_API_KEY=key)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(f"/v1/{path}", json=body)

    def text(self, **body: Any) -> str:
        """The text of a completion."""
        response = self.post("completions", **body)
        assert response.status_code == 200, response.text
        return str(response.json()["choices"][0]["text"])

    def stream(self, path: str, **body: Any) -> list[tuple[str, Any]]:
        """The events of a stream: the name, or an empty text, and the data. The stream must be complete."""
        with self.http.stream("POST", f"/v1/{path}", json={**body, "stream": True}) as response:
            assert response.status_code == 200, response.read()
            blocks = "".join(response.iter_text()).split("\n\n")
        assert blocks[-2:] == ["data: [DONE]", ""]
        events = []
        for block in blocks[:-2]:
            *names, data = block.split("\n")
            name = names[0].removeprefix("event: ") if names else ""
            events.append((name, json.loads(data.removeprefix("data: "))))
        return events

    def rows(self) -> tuple[int, int]:
        """The rows that run and that wait."""
        health = httpx.get(f"{self.url}/health").json()
        return health["running"], health["waiting"]

    def idle(self) -> bool:
        return self.rows() == (0, 0)


@contextmanager
def running_server(*arguments: str, key: str = KEY) -> Iterator[ModelServer]:
    """A server that is stopped at the end."""
    server = ModelServer(*arguments, key=key)
    try:
        yield server
    finally:
        server.stop()
