"""Loads the grading service: p50 and p99 latency, verdicts per second, memory, and responses to hostile clients.

Starts `evalharness serve-sandbox` on loopback. In each round, --clients concurrent clients submit one sample each. The
last round adds clients that send bad JSON, wrong tokens, huge bodies, or nothing at all.

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

TOKEN = "benchmark-token"
TASK = "mbpp"
Result = tuple[str, float]
"""A client's outcome, and the seconds that it took."""


def samples() -> list[dict[str, Any]]:
    """A correct and a wrong program for each problem."""
    task, _ = open_task(TASK, "sample", {})
    rows = []
    for problem in task.problems():
        rows.append({"task_id": problem.task_id, "sample_id": 0, "solution": problem.reference})
        rows.append({"task_id": problem.task_id, "sample_id": 1, "solution": "def nothing(): pass"})
    return rows


async def submit(http: httpx.AsyncClient, sample: dict[str, Any]) -> Result:
    """Submits one sample, and again after `retry-after` while the service is full."""
    begin = time.perf_counter()
    while True:
        response = await http.post("/v1/verdicts", json={"task": TASK, "samples": [sample]})
        if response.status_code not in (429, 503):
            break
        await asyncio.sleep(float(response.headers.get("retry-after", 1)))
    row = response.json()["verdicts"][0] if response.status_code == 200 else {}
    correct = row.get("passed") == (sample["sample_id"] == 0) and row["task_id"] == str(sample["task_id"])
    return ("correct" if correct else f"WRONG {response.status_code}"), time.perf_counter() - begin


async def hostile(http: httpx.AsyncClient, kind: int, port: int) -> Result:
    """Sends one kind of malformed request."""
    begin = time.perf_counter()
    name = ("bad JSON", "wrong token", "huge body", "silent")[kind]
    if name == "silent":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = await reader.read(100)
        writer.close()
        return f"{name}: {'disconnected' if not received else 'ANSWERED'}", time.perf_counter() - begin
    body = b'{"task": ' if name == "bad JSON" else b"x" * (5 << 20)
    headers = {"authorization": "Bearer wrong"} if name == "wrong token" else {}
    try:
        response = await http.post("/v1/verdicts", content=body if name != "wrong token" else b"{}", headers=headers)
        return f"{name}: {response.status_code}", time.perf_counter() - begin
    except httpx.TransportError:
        return f"{name}: connection closed", time.perf_counter() - begin


async def run_round(url: str, port: int, clients: int, hostile_clients: int) -> list[Result]:
    """Runs all clients of a round concurrently."""
    limits = httpx.Limits(max_connections=clients + hostile_clients, max_keepalive_connections=0)
    headers = {"authorization": f"Bearer {TOKEN}"}
    rows = samples()
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=600) as http:
        work: list[Awaitable[Result]] = [submit(http, rows[number % len(rows)]) for number in range(clients)]
        work += [hostile(http, number % 4, port) for number in range(hostile_clients)]
        return list(await asyncio.gather(*work))


def memory_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def report(name: str, results: Sequence[Result], round_s: float, pid: int) -> None:
    """Prints one line about a round."""
    latencies = [seconds for outcome, seconds in results if outcome == "correct"]
    p50, p99 = np.percentile(latencies, [50, 99])
    others = dict(Counter(outcome for outcome, _ in results if outcome != "correct"))
    print(
        f"{name}: {len(latencies)} correct verdicts, {len(latencies) / round_s:.0f}/s, "
        f"latency p50 {p50:.2f} s, p99 {p99:.2f} s, "
        f"service {memory_mb(pid):.0f} MB{', others ' + str(others) if others else ''}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queue", type=int, default=2000, help="below --clients, some are refused and retry")
    args = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["serve-sandbox", "--data", "sample", "--task", TASK, "--port", port, "--workers", args.workers]
    command += ["--queue", args.queue, "--per-client", args.queue, "--max-body-mb", 4, "--read-timeout", 20]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("evalharness")), *map(str, command)],
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
        print(f"{args.clients} concurrent clients, {args.workers} workers; service {memory_mb(process.pid):.0f} MB")
        for number in range(args.rounds + 1):
            hostile_clients = args.clients // 5 if number == args.rounds else 0
            begin = time.perf_counter()
            results = asyncio.run(run_round(url, port, args.clients, hostile_clients))
            name = f"round {number + 1}" + (f" and {hostile_clients} hostile clients" if hostile_clients else "")
            report(name, results, time.perf_counter() - begin, process.pid)
        owner = docker_engine.owner_label(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    time.sleep(1)
    client = docker_engine.connect_to_engine()
    left = client.api.containers(all=True, filters={"label": [f"{docker_engine.OWNER_LABEL}={owner}"]})
    print(f"ended with exit code {code}; {len(left)} containers left")


if __name__ == "__main__":
    main()
