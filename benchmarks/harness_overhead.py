"""Overhead of the harness per request: backend `openai` against a local endpoint with scripted response times.

The endpoint is a separate process that writes fixed bytes at fixed times. All time beyond that is the harness: building
the request, the connection, reading and parsing the stream, and the completion. Prints the overhead of a request (its
latency minus the scripted time, median and p99) and of the whole run (wall-clock time minus the time of the scripted
responses alone, per request). Usage:

    python benchmarks/harness_overhead.py [--concurrency 32] [--requests 640] [--chunks 20]
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import numpy as np

from evalharness.backends import BackendConfig
from evalharness.backends.openai.backend import OpenAIBackend
from evalharness.metrics.throughput import compute_speed
from evalharness.records import Problem, Prompt, Request, Sampling

LIMIT_MS = 5.0
FIRST_S, STEP_S = 0.1, 0.02
SPREAD_S = 0.2
"""Responses start up to this much later, depending on their number: a hundred that end together would queue up."""
TOKENS_PER_CHUNK = 8


def first_s(number: int) -> float:
    """Seconds until the response to this request starts."""
    return FIRST_S + SPREAD_S * (number * 7919 % 101) / 101


def event(payload: object) -> bytes:
    """A server-sent event as a chunk of HTTP chunked encoding."""
    data = b"data: " + json.dumps(payload).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunks: int) -> None:
    """Responds to the requests of a connection; each chunk is sent at its scripted time after the request."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    piece = event({"choices": [{"index": 0, "text": "abcd" * TOKENS_PER_CHUNK, "finish_reason": None}]})
    last = event({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
    count = event({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": chunks * TOKENS_PER_CHUNK}})
    loop = asyncio.get_running_loop()
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in request.lower().splitlines() if b"content-length" in line
            )
            body = json.loads(await reader.readexactly(length))
            start = loop.time() + first_s(int(body["prompt"].split()[1]))
            for number in range(chunks):
                await asyncio.sleep(start + number * STEP_S - loop.time())
                writer.write((head if number == 0 else b"") + piece + (last if number == chunks - 1 else b""))
            writer.write(count + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def serve(chunks: int, parent: Connection) -> None:
    """Runs the endpoint and sends its port to the parent process."""

    async def main() -> None:
        server = await asyncio.start_server(lambda r, w: respond(r, w, chunks), "127.0.0.1", 0, backlog=512)
        parent.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def endpoint(chunks: int) -> Iterator[str]:
    """The base URL of a scripted endpoint, which runs inside the context."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(chunks, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()


def main() -> int:
    """Prints the figures; returns 1 if an overhead (median of requests, or of the whole run) exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--requests", type=int, default=640)
    parser.add_argument("--chunks", type=int, default=20)
    args = parser.parse_args()
    requests = [
        Request(Problem(f"{number}", Prompt(text=f"# {number}\n" + "def f():\n" * 100), {}, None), 0)
        for number in range(args.requests)
    ]
    scripted = np.asarray([first_s(number) + (args.chunks - 1) * STEP_S for number in range(args.requests)])
    with endpoint(args.chunks) as address:
        options = {"base_url": address, "concurrency": str(args.concurrency)}
        backend = OpenAIBackend(BackendConfig("scripted", options=options))
        list(backend.generate(requests[: args.concurrency], Sampling()))
        begin, cpu_before = time.perf_counter(), time.process_time()
        rows = list(backend.generate(requests, Sampling()))
        wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu_before
    assert not any(row.error for row in rows)
    request_ms = np.asarray([1000 * ((row.total_s or 0.0) - scripted[int(row.task_id)]) for row in rows])
    run_ms = 1000 * (wall_s - scripted.sum() / args.concurrency) / args.requests
    tokens = args.chunks * TOKENS_PER_CHUNK
    figures = compute_speed(rows, warmup=())
    print(json.dumps({
        "concurrency": args.concurrency, "requests": args.requests, "scripted_s": round(float(scripted.mean()), 3),
        "overhead_of_a_request_ms": {f"p{rank}": round(float(np.percentile(request_ms, rank)), 2) for rank in (50, 99)},
        "overhead_of_the_whole_per_request_ms": round(run_ms, 3),
        "processor_per_request_ms": round(1000 * cpu_s / args.requests, 3),
        "tokens_per_s": round(figures["output_tokens_per_s"], 1),
        "tokens_per_s_steady": round(figures["steady"]["output_tokens_per_s"], 1),
        "true_tokens_per_s": round(args.concurrency * tokens / float(scripted.mean()), 1),
        "limit_ms": LIMIT_MS,
    }, indent=2))  # fmt: skip
    return int(max(float(np.median(request_ms)), run_ms) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
