"""The service under load: p50 and p99 latency, verdicts per second, its memory, and what becomes of hostile clients.

Starts `evalharness serve-sandbox` on loopback and has as many clients as asked for submit one sample each, all at once,
round after round; the last round adds clients that send bad JSON, wrong tokens, huge bodies, or nothing at all.

    python benchmarks/service_load.py --clients 1000 --rounds 3
"""

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from evalharness.adapters import open_task
from evalharness.sandbox.engines import docker as docker_engine

TOKEN = "a token for this benchmark alone"
TASK = "mbpp"
Result = tuple[str, float]
"""What became of a client, and its seconds."""


def samples() -> list[dict[str, Any]]:
    """Right and wrong programs in turn."""
    task, _ = open_task(TASK, "sample", {})
    found = []
    for problem in task.problems():
        found.append({"task_id": problem.task_id, "sample_id": 0, "solution": problem.reference})
        found.append({"task_id": problem.task_id, "sample_id": 1, "solution": "def nothing(): pass"})
    return found


async def submit(http: httpx.AsyncClient, sample: dict[str, Any]) -> Result:
    """One sample; tried again where the service says when."""
    begin = time.perf_counter()
    while True:
        answer = await http.post("/v1/verdicts", json={"task": TASK, "samples": [sample]})
        if answer.status_code not in (429, 503):
            break
        await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
    row = answer.json()["verdicts"][0] if answer.status_code == 200 else {}
    right = row.get("passed") == (sample["sample_id"] == 0) and row["task_id"] == str(sample["task_id"])
    return ("right" if right else f"WRONG {answer.status_code}"), time.perf_counter() - begin


async def hostile(http: httpx.AsyncClient, kind: int, port: int) -> Result:
    """A client that does what it should not."""
    begin = time.perf_counter()
    name = ("bad JSON", "wrong token", "huge body", "silent")[kind]
    if name == "silent":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ended = await reader.read(100)
        writer.close()
        return f"{name}: {'let go' if not ended else 'ANSWERED'}", time.perf_counter() - begin
    body = b'{"task": ' if name == "bad JSON" else b"x" * (5 << 20)
    headers = {"authorization": "Bearer wrong"} if name == "wrong token" else {}
    try:
        answer = await http.post("/v1/verdicts", content=body if name != "wrong token" else b"{}", headers=headers)
        return f"{name}: {answer.status_code}", time.perf_counter() - begin
    except httpx.TransportError:
        return f"{name}: cut off", time.perf_counter() - begin


async def at_once(url: str, port: int, clients: int, hostiles: int) -> list[Result]:
    """All clients of a round."""
    limits = httpx.Limits(max_connections=clients + hostiles, max_keepalive_connections=0)
    headers = {"authorization": f"Bearer {TOKEN}"}
    every = samples()
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=600) as http:
        work: list[Awaitable[Result]] = [submit(http, every[number % len(every)]) for number in range(clients)]
        work += [hostile(http, number % 4, port) for number in range(hostiles)]
        return list(await asyncio.gather(*work))


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def report(name: str, results: Sequence[Result], seconds: float, pid: int) -> None:
    """One line for a round."""
    right = [took for what, took in results if what == "right"]
    p50, p99 = np.percentile(right, [50, 99])
    others = dict(Counter(what for what, _ in results if what != "right"))
    print(
        f"{name}: {len(right)} right verdicts, {len(right) / seconds:.0f}/s, latency p50 {p50:.2f} s, p99 {p99:.2f} s, "
        f"service {memory_mb(pid):.0f} MB{', others ' + str(others) if others else ''}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queue", type=int, default=2000, help="below --clients, some are refused and try again")
    given = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve-sandbox", "--data", "sample", "--task", TASK, "--port", port, "--workers", given.workers]
    words += ["--queue", given.queue, "--per-client", given.queue, "--max-body-mb", 4, "--read-timeout", 20]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("evalharness")), *map(str, words)],
        env={**os.environ, "EVALHARNESS_TOKEN": TOKEN},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/health").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        print(f"{given.clients} clients at once, {given.workers} workers; service {memory_mb(process.pid):.0f} MB")
        for number in range(given.rounds + 1):
            hostiles = given.clients // 5 if number == given.rounds else 0
            begin = time.perf_counter()
            results = asyncio.run(at_once(url, port, given.clients, hostiles))
            name = f"round {number + 1}" + (f" and {hostiles} hostile clients" if hostiles else "")
            report(name, results, time.perf_counter() - begin, process.pid)
        owner = docker_engine.owner(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    time.sleep(1)
    client = docker_engine.connect()
    left = client.api.containers(all=True, filters={"label": [f"{docker_engine.OWNER}={owner}"]})
    print(f"ended with exit code {code}; {len(left)} containers left")


if __name__ == "__main__":
    main()
