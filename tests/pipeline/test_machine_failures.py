"""Containers, agents, judges and engines that are killed during a run cost no verdict."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from helpers.own_engine import OwnEngine, own_engine, until
from helpers.run_command import RUN

from evalharness.sandbox.engines import docker as docker_engine

pytestmark = pytest.mark.docker

SAMPLES = 30


def start(out: Path, **environment: str) -> "subprocess.Popen[str]":
    """A run of 16 problems and 30 samples of each, all of them right."""
    command = [*RUN, "--n", str(SAMPLES), "--out", str(out)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def statuses(out: Path) -> list[str]:
    """The status of every row that there is."""
    path = out / "verdicts.jsonl"
    return [json.loads(line)["status"] for line in path.read_text().splitlines()] if path.exists() else []


def containers_of(client: docker.DockerClient, owner: str) -> list[str]:
    """Ids of the containers of a process, running or not."""
    labels = [f"{docker_engine.OWNER_LABEL}={owner}"]
    return [each["Id"] for each in client.api.containers(all=True, filters={"label": labels})]


def kill_container(client: docker.DockerClient, container: str) -> None:
    client.api.kill(container)


def kill_agent(client: docker.DockerClient, container: str) -> None:
    os.kill(client.api.inspect_container(container)["State"]["Pid"], signal.SIGKILL)


def kill_judge(client: docker.DockerClient, container: str) -> None:
    agent = client.api.inspect_container(container)["State"]["Pid"]
    children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
    if children:
        os.kill(int(children[0]), signal.SIGKILL)


@pytest.mark.parametrize(
    "kill", [*(pytest.param(kill, marks=pytest.mark.slow) for kill in (kill_container, kill_agent)), kill_judge]
)
def test_what_is_killed_costs_no_verdict(
    engine: None, tmp_path: Path, kill: Callable[[docker.DockerClient, str], None]
) -> None:
    client, out = docker_engine.connect_to_engine(), tmp_path / "run"
    run = start(out)
    owner = docker_engine.owner_label(run.pid)
    for moment in (50, 150, 250):
        until(lambda moment=moment: len(statuses(out)) > moment)  # type: ignore[misc]
        for container in containers_of(client, owner):
            try:
                kill(client, container)
            except (docker.errors.APIError, ProcessLookupError, FileNotFoundError):
                continue  # it was gone already, or not yet there
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert statuses(out) == ["passed"] * 16 * SAMPLES
    until(lambda: not containers_of(client, owner))


@pytest.mark.slow
def test_a_killed_engine_is_no_wrong_answer(engine: None, tmp_path: Path) -> None:
    """The run ends with what it has; the same command goes on when there is an engine again."""
    out = tmp_path / "run"
    with own_engine() as other:
        run = start(out, DOCKER_HOST=other.host)
        until(lambda: len(statuses(out)) > 200)
        other.kill()
        _, said = run.communicate(timeout=120)
        assert run.returncode == 1, said
        found = statuses(out)
        assert set(found) == {"passed", "infrastructure"}
        assert found.count("passed") >= 200
        assert "without a verdict" in said
        assert "Traceback" not in said

        other.start()
        again = start(out, DOCKER_HOST=other.host)
        _, said = again.communicate(timeout=120)
        assert again.returncode == 0, said
        assert statuses(out) == ["passed"] * 16 * SAMPLES
        assert not docker.DockerClient(other.host).containers.list(all=True)
        assert not [name for name in os.listdir("/proc") if name.isdigit() and _is_shim_of(name, other)]


def _is_shim_of(pid: str, engine: OwnEngine) -> bool:
    """Whether it holds a container of that engine."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"shim" in line and str(engine.folder).encode() in line
