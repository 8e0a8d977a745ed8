"""The commands `evalharness sandbox`, and invalid options of the sandbox."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.errors import UserError
from evalharness.sandbox.engines import docker as docker_engine
from evalharness.sandbox.engines import images
from evalharness.sandbox.engines.container import Container
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.engines.guarantees import GUARANTEES, missing_guarantees
from evalharness.sandbox.factory import open_sandbox
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("engine_name", ["docker", pytest.param("bubblewrap", marks=pytest.mark.slow)])
def test_check_prints_a_line_per_guarantee(engine: None, engine_name: str, cli: Any) -> None:
    done = cli("sandbox", "check", "python", "--sandbox", engine_name)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    for name, text in GUARANTEES.items():
        assert f"yes  {name}: {text}" in lines
    assert "yes  a fork bomb is stopped" in lines
    assert "yes  Python: right passes, wrong fails" in lines
    assert "NO" not in done.stdout


def without(hello: dict[str, Any], name: str) -> dict[str, Any]:
    return {**hello, "guarantees": {**hello["guarantees"], name: False}}


class Lacking(DockerEngine):
    """An engine whose containers have a network."""

    def start(self, image: str, memory_mb: int, cpus: float, hash_seed: int) -> Container:
        container = super().start(image, memory_mb, cpus, hash_seed)
        container.hello = without(container.hello, "network-off")
        return container


def test_an_engine_that_lacks_a_guarantee_is_refused(engine: None) -> None:
    sandbox = ContainerPool(Lacking(), 1)
    with pytest.raises(UserError, match=r"does not provide network-off on this machine; .*allow=network-off"):
        sandbox.prepare(["python"])
    sandbox.close()
    allowed = ContainerPool(Lacking(), 1, allowed_to_lack=frozenset({"network-off"}))
    allowed.prepare(["python"])
    assert allowed.describe()["allowed_to_lack"] == ["network-off"]
    allowed.close()


def test_the_agent_detects_missing_guarantees(engine: None) -> None:
    """A container with a network, without limits, and with an engine's usual rights."""
    client = docker_engine.connect_to_engine()
    container = client.containers.run(images.image_tag("python"), detach=True, network_mode="host")
    container.wait()
    output = container.logs(stdout=True, stderr=False)
    container.remove()
    hello = json.loads(output[output.index(b"{") :])
    missing = missing_guarantees(hello)
    assert {"network-off", "read-only-root", "few-capabilities", "no-new-privileges", "memory-limit"} <= missing
    assert "user-separation" not in missing


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runtime": "nothing"}, "runtime=nothing: the container engine has no such runtime; choose one of .*runc"),
        ({"memory_gb": "much"}, "memory_gb=much is not a number"),
        ({"memory_gb": "1"}, "less than the 4096 MB that one sample needs"),
        ({"allow": "everything"}, "unknown guarantee 'everything'"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, str], said: str, engine: None) -> None:
    with pytest.raises(UserError, match=said):
        open_sandbox("docker", 1, options, print)


def test_a_runtime_is_an_option_of_docker(engine: None) -> None:
    with pytest.raises(UserError, match="only with --sandbox docker"):
        open_sandbox("bubblewrap", 1, {"runtime": "runc"}, print)
    sandbox = open_sandbox("docker", 1, {"runtime": "runc"}, print)
    sandbox.prepare(["python"])
    assert sandbox.describe()["runtime"] == "runc"
    sandbox.close()


def test_a_memory_budget_limits_how_many_run_at_once(engine: None) -> None:
    sandbox = open_sandbox("docker", 8, {"memory_gb": "9"}, print)
    assert sandbox.workers == 2
    sandbox.close()


def test_clean_removes_containers_of_killed_harnesses(engine: None, cli: Any) -> None:
    client = docker_engine.connect_to_engine()
    labels = {docker_engine.LABEL: "sandbox", docker_engine.OWNER_LABEL: f"{docker_engine.socket.gethostname()} 1 0"}
    printed = ""
    for _ in range(3):  # a run of another process removes such containers, too, and may be faster
        created = client.api.create_container(
            images.image_tag("python"),
            ["-c", "import time; time.sleep(99)"],
            entrypoint=["python3"],
            labels=labels,
            host_config=client.api.create_host_config(network_mode="none"),
        )
        client.api.start(created["Id"])
        done = cli("sandbox", "clean")
        assert done.returncode == 0
        assert not [container for container in client.containers.list(all=True) if container.id == created["Id"]]
        printed += done.stdout
        if "1 container removed" in printed:
            break
    assert "1 container removed" in printed


def test_an_unknown_sandbox(cli: Any, tmp_path: Path) -> None:
    done = cli("run", "--task", "mbpp", "--data", "sample", "--sandbox", "dokcer", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "unknown sandbox 'dokcer'" in done.stderr
    assert "docker" in done.stderr
