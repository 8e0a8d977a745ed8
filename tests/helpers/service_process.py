"""Starts the grading service in its own process, on a loopback address."""

from collections.abc import Iterator
from contextlib import contextmanager

import docker
import httpx

from evalharness.sandbox.engines import docker as docker_engine
from helpers.own_engine import until
from helpers.server_process import ServerProcess

TOKEN = "correct horse"


class ServiceProcess(ServerProcess):
    """A running service; `arguments` are added to its command line."""

    def __init__(self, *arguments: str, token: str = TOKEN):
        super().__init__("serve-sandbox", "--data", "sample", *arguments, secret=token, EVALHARNESS_TOKEN=token)

    def post(self, **submission: object) -> httpx.Response:
        return self.http.post("/v1/verdicts", json=submission)

    def containers(self) -> list[str]:
        label = f"{docker_engine.OWNER_LABEL}={docker_engine.owner_label(self.process.pid)}"
        client: docker.DockerClient = docker_engine.connect_to_engine()
        return [container["Id"] for container in client.api.containers(all=True, filters={"label": [label]})]


@contextmanager
def running_service(*arguments: str, token: str = TOKEN) -> Iterator[ServiceProcess]:
    """A service that is stopped at the end, after which no container of it may be left."""
    service = ServiceProcess(*arguments, token=token)
    owned = f"{docker_engine.OWNER_LABEL}={docker_engine.owner_label(service.process.pid)}"
    try:
        yield service
    finally:
        service.stop()
        client = docker_engine.connect_to_engine()
        until(lambda: not client.api.containers(all=True, filters={"label": [owned]}))
