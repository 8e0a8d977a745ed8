"""The service as its clients have it: verdicts as of `grade`, or a clear refusal, whatever is sent to it."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.own_engine import until
from helpers.running_service import TOKEN, Running, running

from evalharness.errors import InfrastructureError, UserError
from evalharness.grading_service.client import SandboxClient

pytestmark = pytest.mark.docker
Command = Callable[..., "subprocess.CompletedProcess[str]"]

TIMES = ("cpu_s", "wall_s", "peak_mb")


def solutions() -> list[dict[str, Any]]:
    """A right, a wrong and a broken program for each problem of the sample."""
    from evalharness.adapters import open_task

    task, _ = open_task("mbpp", "sample", {})
    found = []
    for problem in task.problems():
        for sample_id, text in enumerate((problem.reference, "def f(): pass", "def (")):
            found.append({"task_id": problem.task_id, "sample_id": sample_id, "solution": text})
    return found


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def test_verdicts_are_those_of_grade_in_the_order_of_the_samples(
    service: Running, tmp_path: Path, cli: Command
) -> None:
    samples = solutions()
    path, out = tmp_path / "samples.jsonl", tmp_path / "run"
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    assert cli("grade", "--task", "mbpp", "--data", "sample", "--samples", path, "--out", out).returncode == 0
    graded = plain([json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()])
    by_key = {(row["task_id"], row["sample_id"]): row for row in graded}
    served = []
    with SandboxClient(service.url, TOKEN) as client:
        for first in range(0, len(samples), 16):
            served += client.judge("mbpp", samples[first : first + 16])
    assert plain(served) == [by_key[sample["task_id"], sample["sample_id"]] for sample in samples]
    assert [row["passed"] for row in served] == [sample["sample_id"] == 0 for sample in samples]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "Invalid JSON"),
        (b"{", 400, "Invalid JSON"),
        (b"[" * 200_000, 400, "Invalid JSON"),
        (b"\xff\xfe", 400, "Invalid JSON"),
        (b"[]", 422, "object"),
        (b'{"task": "mbpp"}', 422, "samples"),
        (b'{"task": "mbpp", "samples": []}', 422, "samples"),
        (b'{"task": "mbpp", "samples": [1]}', 422, "samples.0"),
        (b'{"task": "mbpp", "samples": [{}]}', 422, "samples[0]: no task_id"),
        (b'{"task": "mbpp", "samples": [{"task_id": 11}]}', 422, "neither solution nor completion"),
        (b'{"task": "mbpp", "samples": [{"task_id": "x", "solution": ""}]}', 422, "is none of this task's"),
        (b'{"task": "mbp", "samples": [{"task_id": "x", "solution": ""}]}', 422, "mbpp"),
        (b'{"task": "mbpp", "options": {"a": "b"}, "samples": [{"task_id": 11, "solution": ""}]}', 422, "option"),
        (b'{"task": "mbpp", "more": 1, "samples": [{"task_id": 11, "solution": ""}]}', 422, "more"),
    ],
)
def test_what_makes_no_sense_is_told_so(service: Running, body: bytes, status: int, words: str) -> None:
    answer = service.http.post("/v1/verdicts", content=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Bearer correct hors", "Basic correct horse", "ü"])
def test_without_the_token_there_is_nothing_but_health(service: Running, token: str) -> None:
    headers = {b"authorization": token.encode()} if token else {}
    for path in ("/metrics", "/v1/verdicts", "/openapi.json", "/nowhere"):
        answer = httpx.get(service.url + path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert httpx.get(f"{service.url}/health").json()["status"] == "ok"


def test_a_huge_body_is_refused_before_it_is_read(service: Running) -> None:
    before = service.memory_mb()
    with socket.create_connection(("127.0.0.1", service.port)) as one:
        head = f"POST /v1/verdicts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        one.sendall(f"{head}content-length: 100000000000\r\n\r\n".encode())
        assert one.recv(100).startswith(b"HTTP/1.1 413")
    parts = (b"x" * 65536 for _ in range(3000))  # in chunks, without saying how long it will be
    with contextlib.suppress(httpx.TransportError):  # the connection was closed while the rest was being sent
        assert service.http.post("/v1/verdicts", content=parts).status_code == 413
    assert service.memory_mb() - before < 50


@pytest.mark.parametrize("sent", [b"", b"POST /v1/verdicts HT", b"POST /v1/verdicts HTTP/1.1\r\nhost: x\r\nmore"])
def test_a_client_that_never_sends_its_head_is_let_go(service: Running, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.sendall(sent)
        slow.settimeout(10)
        begin = time.monotonic()
        assert slow.recv(100) == b""
        assert 1 < time.monotonic() - begin < 6


def test_a_client_that_sends_its_body_too_slowly_is_told_so(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        head = f"POST /v1/verdicts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 1000\r\n\r\n"
        slow.sendall(head.encode())
        for _ in range(4):
            slow.sendall(b" ")
            time.sleep(0.3)
        slow.settimeout(10)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def sleeping(seconds: float, samples: int = 1) -> dict[str, Any]:
    rows = [{"task_id": 11, "solution": f"import time; time.sleep({seconds})"}] * samples
    return {"task": "mbpp", "samples": rows}


def held(service: Running) -> int:
    return int(httpx.get(f"{service.url}/health").json()["held"])


def test_too_many_at_once_are_refused_and_the_rest_judged(service: Running) -> None:
    assert service.post(**sleeping(0, 31)).status_code == 413
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(service.post, **sleeping(0.3, 25))
        until(lambda: held(service) == 25)
        refused = service.post(**sleeping(0, 6))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "25 samples of yours waiting, of 30" in refused.json()["error"]
        assert len(first.result().json()["verdicts"]) == 25
    assert held(service) == 0


def test_a_client_that_leaves_gives_its_places_back(service: Running) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{service.url}/v1/verdicts",
            json=sleeping(0.5, 30),
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=1,
        )
    until(lambda: held(service) == 0, 10)
    assert "evalharness_given_up_total" in service.http.get("/metrics").text
    until(lambda: service.post(**sleeping(0)).status_code == 200, 10)


def test_many_clients_at_once_all_get_their_own_verdicts(service: Running) -> None:
    samples = solutions()

    def submit(number: int) -> bool:
        sample = samples[number % len(samples)]
        with SandboxClient(service.url, TOKEN, patience_s=120) as client:
            row = client.judge("mbpp", [sample])[0]
        return (row["task_id"], row["sample_id"], row["passed"]) == (
            sample["task_id"], sample["sample_id"], sample["sample_id"] == 0,
        )  # fmt: skip

    before = service.memory_mb()
    with ThreadPoolExecutor(60) as threads:
        assert all(threads.map(submit, range(200)))
    assert service.memory_mb() - before < 60
    assert len(service.containers()) <= 4
    text = service.http.get("/metrics").text
    assert 'evalharness_verdicts_total{status="passed",task="mbpp"}' in text
    assert 'evalharness_answers_total{code="200"}' in text
    assert "evalharness_samples_held 0.0" in text


def test_a_sample_that_ends_its_container_harms_nobody(service: Running) -> None:
    evil = "import os, signal\nfor _ in range(9): os.kill(-1, signal.SIGKILL)"
    rows = service.post(task="mbpp", samples=[{"task_id": 11, "solution": evil}, solutions()[0]]).json()["verdicts"]
    assert [row["passed"] for row in rows] == [False, True]


def test_it_ends_when_what_it_accepted_is_judged(engine: None) -> None:
    with running("--workers", "2", "--task", "mbpp") as service:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(service.post(**sleeping(0.4, 8))))
        thread.start()
        until(lambda: held(service) == 8)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(service))
        thread.join()
        assert len(answers[0].json()["verdicts"]) == 8
        code, said = service.stop()
        assert code == 0
        assert said.splitlines()[-1] == "ended; everything accepted was judged"
        until(lambda: not service.containers())


def test_it_ends_in_time_though_not_all_is_judged(engine: None) -> None:
    with running("--workers", "1", "--task", "mbpp", "--drain", "1") as service:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(service.post(**sleeping(2, 20))))
        thread.start()
        until(lambda: held(service) == 20)
        begin = time.monotonic()
        code, said = service.stop()
        thread.join()
        assert (code, answers[0].status_code) == (1, 503)
        assert "submit again" in answers[0].json()["error"]
        assert time.monotonic() - begin < 20
        assert "ended; some of what was accepted was not judged" in said
        assert "Traceback" not in said


def refuses(service: Running) -> bool:
    try:
        httpx.get(f"{service.url}/health")
    except httpx.TransportError:
        return True
    return False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_loopback_it_wants_a_token(host: str, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALHARNESS_TOKEN", raising=False)
    done = cli("serve-sandbox", "--host", host)
    assert done.returncode == 2
    assert "set $EVALHARNESS_TOKEN to a secret" in done.stderr


def test_a_port_that_is_taken_is_told(engine: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [str(Path(sys.executable).with_name("evalharness")), "serve-sandbox", "--data", "sample"]
        done = subprocess.run([*words, "--port", str(taken.getsockname()[1])], capture_output=True, text=True)
    assert done.returncode == 2
    assert "address already in use" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_the_client_says_what_is_wrong(service: Running) -> None:
    sample = solutions()[:1]
    with SandboxClient(service.url, "wrong") as client, pytest.raises(UserError, match="token is not this service's"):
        client.judge("mbpp", sample)
    with SandboxClient(service.url, TOKEN) as client:
        assert client.health()["status"] == "ok"
        with pytest.raises(UserError, match="unknown task"):
            client.judge("nothing", sample)
    with SandboxClient("http://127.0.0.1:9", patience_s=0.1) as client:
        with pytest.raises(InfrastructureError, match="cannot be reached"):
            client.judge("mbpp", sample)
        with pytest.raises(InfrastructureError, match="is not there"):
            client.health()


def test_an_address_where_nobody_is_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with SandboxClient("http://127.0.0.1:9", patience_s=2.0) as client, pytest.raises(InfrastructureError):
        client.judge("mbpp", [{"task_id": "x", "solution": ""}])
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "http://127.0.0.1:9 cannot be reached" in record.getMessage()
    assert record.getMessage().endswith("trying for 2 s")
