"""No run sees what another has changed, in each engine: a program lists all that a sample can see."""

import ast
from collections.abc import Iterator

import pytest
from helpers.state_listing import CATEGORIES, CHANGING, listing
from helpers.target import ENGINES

from evalharness.records import ExecProgram, Limits, Outcome
from evalharness.sandbox.factory import open_sandbox
from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

WRITABLE = [
    *("/dev/full", "/dev/null", "/dev/random", "/dev/shm", "/dev/tty", "/dev/urandom", "/dev/zero"),
    *("/tmp", "/tmp/UID"),
]
"""All that a sample's user may write, its processes aside. The nodes in /dev are mounted read-only."""


@pytest.fixture(scope="module", params=ENGINES)
def pool(request: pytest.FixtureRequest) -> Iterator[ContainerPool]:
    opened = open_sandbox(request.param, 1, {}, print)
    opened.prepare(["python"])
    yield opened
    opened.close()


def run(pool: ContainerPool, source: str) -> Outcome:
    [outcome] = pool.run(ExecProgram("python", source, Limits(20.0, 1024))).parts.values()
    return outcome


def digests(pool: ContainerPool) -> dict[str, str]:
    outcome = run(pool, listing())
    assert outcome.status == "failed", outcome
    return dict(zip(CATEGORIES, outcome.detail.removeprefix("AssertionError: ").split(), strict=True))


def text_of(pool: ContainerPool, category: str, length: int = 4000) -> str:
    text = ""
    while len(text) < length:
        part = run(pool, listing((category, len(text)))).detail.removeprefix("AssertionError: ")
        text += part
        if len(part) < 250:
            break
    return text


def test_a_sample_may_write_nothing_else(pool: ContainerPool) -> None:
    assert ast.literal_eval(text_of(pool, "writable")) == WRITABLE
    assert text_of(pool, "owned") == "[]"


def test_what_a_run_changes_no_other_sees(pool: ContainerPool) -> None:
    before = digests(pool)
    for _ in range(2):
        assert run(pool, CHANGING).status in ("failed", "error")
        after = digests(pool)
        changed = [name for name in CATEGORIES if before[name] != after[name]]
        assert not changed, "\n".join(f"{name} are now {text_of(pool, name)}" for name in changed)
