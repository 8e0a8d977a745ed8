"""A cluster of `ray start` processes, which tests share with the benchmarks, and an endpoint that its nodes can ask."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

if TYPE_CHECKING:
    from ray_nodes import Cluster


@pytest.fixture(scope="session")
def cluster(engine: None) -> Iterator["Cluster"]:
    """Three nodes, of which none is killed."""
    from ray_nodes import ray_cluster

    with ray_cluster(3) as made:
        yield made


class Answers(BaseHTTPRequestHandler):
    """An endpoint that takes its time."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        time.sleep(0.1)
        text = f"    return {len(body['prompt'])}\n"
        answer = json.dumps({"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
