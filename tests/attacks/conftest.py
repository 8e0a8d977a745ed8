"""A sandbox of each engine, shared by all attacks, which must all leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.target import ENGINES, Target

SECOND_ENGINE = ENGINES[1]
SAME_BY_ANY_ENGINE = (
    *("python/leaving", "python/equality", "python/patching", "python/cases", "python/suites"),
    "languages/",
)
"""Attacks on what the agent does: with the second engine they are left to the full run of the tests."""


@pytest.fixture(scope="session", params=ENGINES)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The sandbox under attack."""
    opened = Target(request.param)
    yield opened
    opened.pool.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks attacks as slow that need not run with each engine every time."""
    for item in items:
        if item.path.parent != Path(__file__).parent or not isinstance(item, pytest.Function):
            continue
        params = item.callspec.params if hasattr(item, "callspec") else {}
        attack = params.get("attack")
        if params.get("target") == SECOND_ENGINE and attack and attack.file.startswith(SAME_BY_ANY_ENGINE):
            item.add_marker(pytest.mark.slow)
