"""Servers that the tests share, and a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.browser import Visits
from helpers.model_server import ModelServer, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[ModelServer]:
    """A server of the bundled network with a small queue and a small body limit."""
    with running_server("--queue", "24", "--max-body-mb", "1", "--read-timeout", "2") as process:
        yield process


@pytest.fixture(scope="session")
def playground(engine: None) -> Iterator[ModelServer]:
    """A server with the sandbox and the bundled samples of the tasks, without a key."""
    with running_server("--with-sandbox", "--data", "sample", key="") as process:
        yield process


@pytest.fixture
def visit(browser: Any) -> Iterator[Visits]:
    """Opens addresses; fails on any console message, error, or request to another place."""
    visits = Visits(browser)
    yield visits
    visits.close()
    assert visits.faults == []
