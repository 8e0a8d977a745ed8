"""Clients that send nonsense, too much, or leave: right answers or clear refusals, no rows left, memory flat."""

import contextlib
import json
import random
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from helpers.model_server import KEY, ModelServer, running_server
from helpers.own_engine import until

PROMPT = "def add(a, b):\n"
LONG = "import os\nimport sys\nimport re\n"
"""At temperature 2 the network goes on for hundreds of tokens after this."""
BAD_BODIES = [
    b"", b"{", b"[" * 100_000, b"\xff\xfe", b"[]", b"null", b'{"prompt": "\\ud800"}', b'{"prompt": "x", "top_p": NaN}',
    b'{"prompt": "x", "temperature": 1e999}', b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}",
    b'{"prompt": "x", "' + b"a" * 10_000 + b'": 1}', b'{"prompt": ["x", 1]}', b'{"prompt": "x", "block": 100000000}',
    b'{"prompt": "x", "steps": 1e3}', b'{"prompt": "x", "stop": {"a": 1}}', b'{"prompt": "x", "n": true}',
    b'{"messages": "x"}', b'{"prompt": "x", "model": "\\u0000"}',
]  # fmt: skip


def hostile(server: ModelServer, number: int) -> tuple[str, bool]:
    """One of seven kinds of requests; returns its kind and whether the answer was right."""
    rng = random.Random(number)
    kind = ("good", "bad", "huge", "leaves", "leaves mid-stream", "wrong key", "too long")[number % 7]
    post = server.http.post
    if kind == "good":
        response = retried(server, {"prompt": PROMPT, "max_tokens": 12, "threshold": rng.choice([0.3, 0.9])})
        return kind, response.status_code == 200 and bool(response.json()["choices"][0]["text"])
    if kind == "bad":
        response = post("/v1/completions", content=BAD_BODIES[number // 7 % len(BAD_BODIES)])
        return kind, 400 <= response.status_code < 500 and bool(response.json()["error"]["message"])
    if kind == "huge":
        with contextlib.suppress(httpx.TransportError):  # the connection is closed while the rest is being sent
            return kind, post("/v1/completions", json={"prompt": "x" * (2 << 20)}).status_code == 413
        return kind, True
    if kind == "leaves":
        with contextlib.suppress(httpx.TimeoutException):
            body = {"prompt": PROMPT, "max_tokens": 1500, "temperature": 1.5, "seed": number}
            server.http.post("/v1/completions", json=body, timeout=0.3)
        return kind, True
    if kind == "leaves mid-stream":
        body = {"prompt": PROMPT, "max_tokens": 1500, "temperature": 1.5, "seed": number, "stream": True}
        with server.http.stream("POST", "/v1/completions", json=body) as response:
            next(response.iter_bytes(), None)
        return kind, response.status_code in (200, 429)
    if kind == "wrong key":
        response = httpx.post(f"{server.url}/v1/completions", json={"prompt": PROMPT}, headers={"authorization": "x"})
        return kind, response.status_code == 401
    response = retried(server, {"prompt": "a b c d " * 3000})
    return kind, response.json()["error"]["code"] == "context_length_exceeded"


def retried(server: ModelServer, body: dict[str, object]) -> httpx.Response:
    """Sends a request again while the queue is full, as clients do."""
    for _ in range(300):
        response = server.http.post("/v1/completions", json=body)
        if response.status_code != 429:
            return response
        assert int(response.headers["retry-after"]) >= 1
        time.sleep(0.2)
    return response


def test_two_hundred_mixed_requests(server: ModelServer) -> None:
    server.text(prompt=PROMPT, max_tokens=12)
    before = server.memory_mb()
    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(lambda number: hostile(server, number), range(203)))
    assert [kind for kind, right in results if not right] == []
    until(server.idle, 20)
    assert server.memory_mb() - before < 80
    assert server.text(prompt=PROMPT, max_tokens=12)


def test_a_client_that_leaves_frees_its_row_at_once(server: ModelServer) -> None:
    body = {"model": "bundled:ar", "prompt": LONG, "max_tokens": 1900, "stream": True, "temperature": 2, "n": 6}
    with server.http.stream("POST", "/v1/completions", json=body) as response:
        received = response.iter_bytes()  # kept, because dropping it closes the connection
        next(received)
        assert server.rows()[0] > 0
    until(server.idle, 5)
    assert "evalharness_cancelled_total" in server.http.get("/metrics").text


def test_a_full_queue_refuses_with_a_time_to_retry() -> None:
    with running_server("--max-concurrency", "1", "--queue", "1") as server, ThreadPoolExecutor(2) as threads:
        body = {"model": "bundled:ar", "prompt": LONG, "max_tokens": 400, "temperature": 2, "seed": 3}
        running = [threads.submit(server.post, "completions", **body) for _ in range(2)]
        until(lambda: server.rows() == (1, 1), 60)
        refused = server.post("completions", prompt=PROMPT)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "1 of at most 1 completion are waiting" in refused.json()["error"]["message"]
        assert server.post("completions", prompt=PROMPT, n=3).status_code == 400
        assert [future.result().status_code for future in running] == [200, 200]


def test_time_limit_and_drain() -> None:
    with running_server("--request-timeout", "1.5") as server:
        slow = {"model": "bundled:ar", "prompt": LONG, "max_tokens": 1900, "temperature": 2, "seed": 3}
        late = server.post("completions", **slow, n=8)
        assert late.status_code == 504
        assert "smaller max_tokens" in late.json()["error"]["message"]
        with server.http.stream("POST", "/v1/completions", json={**slow, "n": 8, "stream": True}) as response:
            last = "".join(response.iter_text()).split("\n\n")[-2]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "timeout"
        until(server.idle, 30)
    with running_server() as server:
        answers: list[httpx.Response] = []
        body = {"model": "bundled:ar", "prompt": LONG, "max_tokens": 150, "temperature": 2, "seed": 3}
        thread = threading.Thread(target=lambda: answers.append(server.post("completions", **body)))
        thread.start()
        until(lambda: server.rows() == (1, 0), 60)
        server.process.send_signal(signal.SIGTERM)
        thread.join()
        assert answers[0].status_code == 200
        code, stderr = server.stop()
        assert (code, stderr.splitlines()[-1]) == (0, "stopped; all requests were answered")


def test_a_client_that_never_completes_its_request_is_disconnected(server: ModelServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        head = f"POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n"
        head += "content-length: 99\r\n\r\n"
        slow.sendall(head.encode())
        slow.settimeout(10)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--backend", "gpt"), ("--option", "draftt=1")])
def test_what_the_user_must_change_is_one_line(cli: object, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: E501 # fmt: skip
    monkeypatch.delenv("EVALHARNESS_API_KEY", raising=False)
    done = cli("serve", *arguments, "--port", "18999")  # type: ignore[operator]
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
