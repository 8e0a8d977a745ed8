"""A sandbox of each engine, shared by all attacks, which must all leave it as it was."""

from collections.abc import Iterator

import pytest
from target import ENGINES, Target


@pytest.fixture(scope="session", params=ENGINES)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The sandbox under attack."""
    opened = Target(request.param)
    yield opened
    opened.pool.close()
