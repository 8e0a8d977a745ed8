"""A shared Ray cluster (the code is shared with the benchmarks), and an endpoint for its nodes."""

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
    """Three nodes; no test may kill one."""
    from ray_nodes import ray_cluster

    with ray_cluster(3) as made:
        yield made


class SlowCompletions(BaseHTTPRequestHandler):
    """Responds to completion requests after 0.1 s."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        time.sleep(0.1)
        text = f"    return {len(body['prompt'])}\n"
        response = json.dumps({"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Base URL of an endpoint."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowCompletions) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
