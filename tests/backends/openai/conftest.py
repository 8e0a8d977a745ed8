"""Fixtures of the tests of the backend `openai`."""

from collections.abc import Iterator

import pytest
from helpers.openai_calls import KEY
from helpers.openai_server import Endpoint, serving


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, no proxy for the local endpoint, and no base URL."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A local endpoint that answers as a test scripts it."""
    with serving() as running:
        yield running
