"""Measures `evalharness serve`: throughput by concurrent clients, and the latency that it adds to the backend itself.

    python benchmarks/model_server.py [--way diffusion] [--model FILE] [--pairs 20] [--requests 48] [--rounds 2]
                                      [--out FILE.json]

Throughput is that of `evalharness bench --backend openai` against the server, per second and per second of the server's
CPU time; the second is the figure to read on a machine that is busy with other work. 8 clients send `--requests`, and
one client a quarter of them, alternately, `--rounds` times. With few requests the end of a round matters, when fewer
than 8 of them are left.

For the added latency the same prompts go alternately to the server and to the backend in this process, and the texts
must be equal. `added_ms` is the median difference of their times. `outside_ms` is the median of the time that a request
spends outside of the batch, on the way, in parsing and in the queue; it depends less on what else the machine does.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from evalharness.backends.factory import BackendConfig, find_backend
from evalharness.bench.config import BenchConfig
from evalharness.bench.runner import run_bench
from evalharness.bench.workload import make_coding_problems
from evalharness.records import Request, Sampling

LEVELS = (1, 8)
PROMPT_TOKENS, OUTPUT_TOKENS = 64, 96


@contextmanager
def running_server(way: str, model: str | None, options: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Starts a server and yields its address and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("evalharness")), "serve", "--backend", way, "--port", str(port)]
    command += ["--model", model] if model else []
    for key, value in options.items():
        command += ["--option", f"{key}={value}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        while not _answers(url):
            assert process.poll() is None, "the server ended; run the command by hand to see why"
            time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def cpu_s(pid: int) -> float:
    """Returns the CPU time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Throughput:
    """Output tokens of all clients together, and the seconds and the server's CPU seconds that they took."""

    tokens: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0


def add_round(total: Throughput, url: str, pid: int, name: str, requests: int, clients: int) -> None:
    """Adds what that number of clients measure."""
    os.environ.setdefault("OPENAI_API_KEY", "none")
    config = BenchConfig(
        "openai",
        name,
        concurrency=(clients,),
        warmup=0,
        input_tokens=PROMPT_TOKENS,
        output_tokens=OUTPUT_TOKENS,
        requests=requests,
        options={"base_url": f"{url}/v1"},
    )
    with tempfile.TemporaryDirectory() as folder:
        before = cpu_s(pid)
        [level] = run_bench(config, Path(folder) / "bench", print)
        spent = cpu_s(pid) - before
    total.tokens += level.speed["output_tokens"]
    total.wall_s += level.speed["output_tokens"] / level.speed["output_tokens_per_s"]
    total.cpu_s += spent


def added_latency(url: str, way: str, model: str | None, options: Mapping[str, str], pairs: int) -> dict[str, float]:
    """Returns the median latency of the backend and of the server for the same prompts, in ms."""
    backend = find_backend(way)(BackendConfig(model, 1, options))
    sampling = Sampling(max_new_tokens=OUTPUT_TOKENS)
    direct_ms, served_ms, outside_ms = [], [], []
    with httpx.Client(base_url=url, timeout=600) as http:
        for number, problem in enumerate(make_coding_problems(pairs + 2, PROMPT_TOKENS)):
            request = Request(problem, 0)
            start = time.perf_counter()
            [completion] = backend.generate([request], sampling)
            middle = time.perf_counter()
            body = {"prompt": problem.prompt.text, "max_tokens": OUTPUT_TOKENS}
            answer = http.post("/v1/completions", json=body).json()
            end = time.perf_counter()
            assert answer["choices"][0]["text"] == completion.text
            if number >= 2:  # the first ones warm up
                direct_ms.append(1000 * (middle - start))
                served_ms.append(1000 * (end - middle))
                in_batch_ms = answer["timings"]["total_ms"] - answer["timings"]["queued_ms"]
                outside_ms.append(1000 * (end - middle) - in_batch_ms)
    added = statistics.median(served - direct for served, direct in zip(served_ms, direct_ms, strict=True))
    return {
        "direct_ms": statistics.median(direct_ms),
        "served_ms": statistics.median(served_ms),
        "added_ms": added,
        "outside_ms": statistics.median(outside_ms),
    }


def main() -> None:
    """Prints the figures, and writes them with --out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", default="diffusion", choices=("ar", "diffusion"))
    parser.add_argument("--model")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    options = dict(pair.split("=", 1) for pair in arguments.option)
    with running_server(arguments.way, arguments.model, options) as (url, pid):
        name = httpx.get(f"{url}/v1/models").json()["data"][0]["id"]
        latency = added_latency(url, arguments.way, arguments.model, options, arguments.pairs)
        found = {level: Throughput() for level in LEVELS}
        for _ in range(arguments.rounds):
            for level, total in found.items():
                requests = arguments.requests if level == LEVELS[-1] else max(1, arguments.requests // 4)
                add_round(total, url, pid, name, requests, level)
    per_s = {level: total.tokens / total.wall_s for level, total in found.items()}
    per_cpu_s = {level: total.tokens / total.cpu_s for level, total in found.items()}
    figures: dict[str, Any] = {
        "way": arguments.way,
        "model": name,
        "options": options,
        **{key: round(value, 2) for key, value in latency.items()},
        "tokens_per_s": {str(level): round(speed, 1) for level, speed in per_s.items()},
        "speedup": round(per_s[LEVELS[-1]] / per_s[LEVELS[0]], 2),
        "tokens_per_cpu_s": {str(level): round(speed, 1) for level, speed in per_cpu_s.items()},
        "speedup_per_cpu_s": round(per_cpu_s[LEVELS[-1]] / per_cpu_s[LEVELS[0]], 2),
    }
    print(json.dumps(figures, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
