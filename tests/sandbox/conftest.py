"""A running sandbox, and the official grader to compare it with."""

import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from helpers.official_evalplus import Official
from helpers.sandboxes import MakeSandbox, RunWithin

from evalharness.records import Execution, Program
from evalharness.sandbox.engines.docker import DockerEngine, connect_to_engine
from evalharness.sandbox.pool import ContainerPool
from evalharness.sandbox.references import cache_folder

IMAGE = "python"


@pytest.fixture(scope="session")
def client(engine: None) -> Iterator[docker.DockerClient]:
    """A client of the container engine; the images are built."""
    client = connect_to_engine()
    yield client
    client.close()


@pytest.fixture(scope="session")
def cache(engine: None) -> Path:
    """The folder that holds the expected outputs of this session alone."""
    return cache_folder() / "references"


@pytest.fixture(scope="session")
def sandbox(engine: None) -> Iterator[ContainerPool]:
    """A sandbox of two workers. No program may damage it for the next."""
    sandbox = ContainerPool(DockerEngine(), workers=2)
    sandbox.prepare([IMAGE])
    yield sandbox
    sandbox.close()


@pytest.fixture
def make_sandbox(engine: None) -> Iterator[MakeSandbox]:
    """Makes sandboxes of one worker for tests that need a new one, end it, or might hang it."""
    made: list[ContainerPool] = []

    def make() -> ContainerPool:
        made.append(ContainerPool(DockerEngine(), workers=1, memory_mb=1024))
        made[-1].prepare([IMAGE])
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def run_within(make_sandbox: MakeSandbox) -> RunWithin:
    """Runs a program in a separate sandbox. Fails, instead of waiting for hours, if no answer comes in time."""

    def run(program: Program, seconds: float) -> Execution:
        sandbox, answers = make_sandbox(), list[Execution]()
        thread = threading.Thread(target=lambda: answers.append(sandbox.run(program)))
        thread.start()
        thread.join(seconds)
        hangs = thread.is_alive()
        sandbox.close()
        thread.join()
        assert not hangs, f"no answer within {seconds} s"
        return answers[0]

    return run


@pytest.fixture(scope="session")
def official() -> Iterator[Official]:
    """The grader of the installed evalplus package."""
    official = Official()
    yield official
    official.close()
