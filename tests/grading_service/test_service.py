"""The service as clients see it: the verdicts of `grade`, or a clear refusal, whatever they send."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.own_engine import until
from helpers.service_process import TOKEN, ServiceProcess, running_service

from evalharness.errors import InfrastructureError, UserError
from evalharness.grading_service.client import SandboxClient
from evalharness.grading_service.messages import VerdictRow

pytestmark = pytest.mark.docker
Command = Callable[..., "subprocess.CompletedProcess[str]"]

TIMES = ("cpu_s", "wall_s", "peak_mb")


def solutions() -> list[dict[str, Any]]:
    """A correct, a wrong and an unparsable program for each problem of the bundled sample."""
    from evalharness.adapters import open_task

    task, _ = open_task("mbpp", "sample", {})
    samples = []
    for problem in task.problems():
        for sample_id, text in enumerate((problem.reference, "def f(): pass", "def (")):
            samples.append({"task_id": problem.task_id, "sample_id": sample_id, "solution": text})
    return samples


def without_times(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def test_verdicts_equal_those_of_grade_in_the_order_of_the_samples(
    service: ServiceProcess, tmp_path: Path, cli: Command
) -> None:
    samples = solutions()
    path, out = tmp_path / "samples.jsonl", tmp_path / "run"
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    assert cli("grade", "--task", "mbpp", "--data", "sample", "--samples", path, "--out", out).returncode == 0
    graded = without_times([json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()])
    by_key = {(row["task_id"], row["sample_id"]): row for row in graded}
    served: list[VerdictRow] = []
    with SandboxClient(service.url, TOKEN) as client:
        for first in range(0, len(samples), 16):
            served += client.judge("mbpp", samples[first : first + 16])
    assert without_times(served) == [by_key[sample["task_id"], sample["sample_id"]] for sample in samples]
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
        (b'{"task": "mbpp", "samples": [{}]}', 422, "samples[0]: the sample has no task_id"),
        (b'{"task": "mbpp", "samples": [{"task_id": 11}]}', 422, "the sample has no solution, completion or answer"),
        (b'{"task": "mbpp", "samples": [{"task_id": "x", "solution": ""}]}', 422, "is not in this task"),
        (b'{"task": "mbp", "samples": [{"task_id": "x", "solution": ""}]}', 422, "mbpp"),
        (b'{"task": "mbpp", "options": {"a": "b"}, "samples": [{"task_id": 11, "solution": ""}]}', 422, "option"),
        (b'{"task": "mbpp", "more": 1, "samples": [{"task_id": 11, "solution": ""}]}', 422, "more"),
    ],
)
def test_an_invalid_submission_is_refused_with_one_line(
    service: ServiceProcess, body: bytes, status: int, words: str
) -> None:
    answer = service.http.post("/v1/verdicts", content=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Bearer correct hors", "Basic correct horse", "ü"])
def test_without_the_token_only_health_answers(service: ServiceProcess, token: str) -> None:
    headers = {b"authorization": token.encode()} if token else {}
    for path in ("/metrics", "/v1/verdicts", "/openapi.json", "/nowhere"):
        answer = httpx.get(service.url + path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert httpx.get(f"{service.url}/health").json()["status"] == "ok"


def test_a_huge_body_is_refused_before_it_is_read(service: ServiceProcess) -> None:
    before = service.memory_mb()
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        head = f"POST /v1/verdicts HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n"
        connection.sendall(f"{head}content-length: 100000000000\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    parts = (b"x" * 65536 for _ in range(3000))  # in chunks, without a content-length
    with contextlib.suppress(httpx.TransportError):  # the connection was closed while the rest was being sent
        assert service.http.post("/v1/verdicts", content=parts).status_code == 413
    assert service.memory_mb() - before < 50


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/verdicts HT", b"POST /v1/verdicts HTTP/1.1\r\nhost: 127.0.0.1\r\nmore"]
)
def test_a_client_that_never_completes_its_headers_is_disconnected(service: ServiceProcess, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.sendall(sent)
        slow.settimeout(10)
        begin = time.monotonic()
        assert slow.recv(100) == b""
        assert 1 < time.monotonic() - begin < 6


def test_a_client_that_sends_its_body_too_slowly_is_refused(service: ServiceProcess) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        head = f"POST /v1/verdicts HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n"
        slow.sendall(f"{head}content-length: 1000\r\n\r\n".encode())
        for _ in range(4):
            slow.sendall(b" ")
            time.sleep(0.3)
        slow.settimeout(10)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def sleeping(seconds: float, samples: int = 1) -> dict[str, Any]:
    rows = [{"task_id": 11, "solution": f"import time; time.sleep({seconds})"}] * samples
    return {"task": "mbpp", "samples": rows}


def pending(service: ServiceProcess) -> int:
    return int(httpx.get(f"{service.url}/health").json()["held"])


def test_submissions_beyond_the_limits_are_refused_and_the_others_graded(service: ServiceProcess) -> None:
    assert service.post(**sleeping(0, 31)).status_code == 413
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(service.post, **sleeping(0.3, 25))
        until(lambda: pending(service) == 25)
        refused = service.post(**sleeping(0, 6))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert (
            "this client has 25 pending samples and submits 6 more, above the limit of 30 per client"
            in refused.json()["error"]
        )
        assert len(first.result().json()["verdicts"]) == 25
    assert pending(service) == 0


def test_samples_of_a_disconnected_client_are_released(service: ServiceProcess) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{service.url}/v1/verdicts",
            json=sleeping(0.5, 30),
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=1,
        )
    until(lambda: pending(service) == 0, 10)
    assert "evalharness_given_up_total" in service.http.get("/metrics").text
    until(lambda: service.post(**sleeping(0)).status_code == 200, 10)


def test_many_concurrent_clients_get_their_own_verdicts(service: ServiceProcess) -> None:
    samples = solutions()

    def submit(number: int) -> bool:
        sample = samples[number % len(samples)]
        with SandboxClient(service.url, TOKEN, retry_s=120) as client:
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


def test_a_sample_that_kills_its_container_affects_no_other_sample(service: ServiceProcess) -> None:
    killer = "import os, signal\nfor _ in range(9): os.kill(-1, signal.SIGKILL)"
    rows = service.post(task="mbpp", samples=[{"task_id": 11, "solution": killer}, solutions()[0]]).json()["verdicts"]
    assert [row["passed"] for row in rows] == [False, True]


def test_sigterm_ends_the_service_after_all_accepted_samples_are_graded(engine: None) -> None:
    with running_service("--workers", "2", "--task", "mbpp") as service:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(service.post(**sleeping(0.4, 8))))
        thread.start()
        until(lambda: pending(service) == 8)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: is_unreachable(service))
        thread.join()
        assert len(answers[0].json()["verdicts"]) == 8
        code, stderr = service.stop()
        assert code == 0
        assert stderr.splitlines()[-1] == "stopped; all accepted samples were graded"
        until(lambda: not service.containers())


def test_the_drain_time_ends_the_service_though_samples_are_not_graded(engine: None) -> None:
    with running_service("--workers", "1", "--task", "mbpp", "--drain", "1") as service:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(service.post(**sleeping(2, 20))))
        thread.start()
        until(lambda: pending(service) == 20)
        begin = time.monotonic()
        code, stderr = service.stop()
        thread.join()
        assert (code, answers[0].status_code) == (1, 503)
        assert "try again later" in answers[0].json()["error"]
        assert time.monotonic() - begin < 20
        assert "stopped; some accepted samples were not graded" in stderr
        assert "Traceback" not in stderr


def is_unreachable(service: ServiceProcess) -> bool:
    try:
        httpx.get(f"{service.url}/health")
    except httpx.TransportError:
        return True
    return False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_host_beyond_loopback_needs_a_token(host: str, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALHARNESS_TOKEN", raising=False)
    done = cli("serve-sandbox", "--host", host)
    assert done.returncode == 2
    assert "set $EVALHARNESS_TOKEN to a secret" in done.stderr


def test_a_port_in_use_is_reported(engine: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [str(Path(sys.executable).with_name("evalharness")), "serve-sandbox", "--data", "sample"]
        done = subprocess.run([*command, "--port", str(taken.getsockname()[1])], capture_output=True, text=True)
    assert done.returncode == 2
    assert "address already in use" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_the_client_raises_what_the_service_reports(service: ServiceProcess) -> None:
    sample = solutions()[:1]
    with SandboxClient(service.url, "wrong") as client, pytest.raises(UserError, match="wrong access token"):
        client.judge("mbpp", sample)
    with SandboxClient(service.url, TOKEN) as client:
        assert client.health()["status"] == "ok"
        with pytest.raises(UserError, match="unknown task"):
            client.judge("nothing", sample)
    with SandboxClient("http://127.0.0.1:9", retry_s=0.1) as client:
        with pytest.raises(InfrastructureError, match="cannot reach"):
            client.judge("mbpp", sample)
        with pytest.raises(InfrastructureError, match="cannot reach"):
            client.health()


def test_the_client_warns_at_once_about_an_unreachable_address(caplog: pytest.LogCaptureFixture) -> None:
    with SandboxClient("http://127.0.0.1:9", retry_s=2.0) as client, pytest.raises(InfrastructureError):
        client.judge("mbpp", [{"task_id": "x", "solution": ""}])
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "cannot reach http://127.0.0.1:9" in record.getMessage()
    assert record.getMessage().endswith("retrying for 2 s")
