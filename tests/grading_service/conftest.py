"""A service that the tests of a module share."""

from collections.abc import Iterator

import pytest
from helpers.service_process import ServiceProcess, running_service


@pytest.fixture(scope="module")
def service(engine: None) -> Iterator[ServiceProcess]:
    """A service with small limits."""
    limits = ("--queue", "40", "--per-client", "30", "--max-body-mb", "1", "--read-timeout", "2")
    with running_service("--workers", "2", "--task", "mbpp", *limits) as process:
        yield process
