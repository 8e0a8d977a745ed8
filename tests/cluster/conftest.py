"""A shared Ray cluster (the code is shared with the benchmarks), and an endpoint for its nodes."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.local_http import QuietHandler, serving

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

if TYPE_CHECKING:
    from ray_nodes import Cluster


@pytest.fixture(scope="session")
def cluster(engine: None) -> Iterator["Cluster"]:
    """Three nodes; no test may kill one."""
    from ray_nodes import ray_cluster

    with ray_cluster(3) as made:
        yield made


class SlowCompletions(QuietHandler):
    """Responds to completion requests after 0.1 s."""

    def respond(self) -> None:
        body = json.loads(self.body())
        time.sleep(0.1)
        text = f"    return {len(body['prompt'])}\n"
        response = {"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}
        self.answer(200, json.dumps(response).encode(), content_type="application/json")


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Base URL of an endpoint."""
    with serving(SlowCompletions) as url:
        yield f"{url}/v1"
