"""The service that most tests share."""

from collections.abc import Iterator

import pytest
from helpers.running_service import Running, running


@pytest.fixture(scope="module")
def service(engine: None) -> Iterator[Running]:
    """A service with small limits, which a module shares."""
    limits = ("--queue", "40", "--per-client", "30", "--max-body-mb", "1", "--read-timeout", "2")
    with running("--workers", "2", "--task", "mbpp", *limits) as made:
        yield made
