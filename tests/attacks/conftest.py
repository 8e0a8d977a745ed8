"""A sandbox of each engine, shared by all attacks, which must all leave it as it was."""

import threading
from collections.abc import Iterator

import pytest
from attack import last
from probe import FRESH

from evalharness.records import Execution, Limits, Outcome, Program
from evalharness.sandbox.bubblewrap import BubblewrapEngine
from evalharness.sandbox.docker_engine import DockerEngine
from evalharness.sandbox.pool import ContainerPool

ENGINES = {"docker": DockerEngine, "bubblewrap": BubblewrapEngine}
PATIENCE_S = 40.0


class Target:
    """A sandbox of two workers that is opened anew where an attack hangs it, so that one hole shows as one failure."""

    def __init__(self, engine: str):
        self.engine, self.images = engine, ["python"]
        self._open()

    def _open(self) -> None:
        self.pool = ContainerPool(ENGINES[self.engine](), workers=2, memory_mb=1024)
        self.pool.prepare(self.images)

    def prepare(self, image: str) -> None:
        if image not in self.images:
            self.pool.prepare([image])
            self.images.append(image)

    def run(self, program: Program, seconds: float = PATIENCE_S) -> Outcome:
        """The outcome of the last part of the program that ran. Fails where none comes in time."""
        answers: list[Execution] = []
        thread = threading.Thread(target=lambda: answers.append(self.pool.run(program)), daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self.pool.close()
            self._open()
            pytest.fail(f"no answer within {seconds} s")
        return last(answers[0])

    def assert_fresh(self) -> None:
        """The next program must find nothing of the one before."""
        found = self.run(Program("python", "exec", FRESH, Limits(2.0, 1024)))
        assert found.status == "passed", f"left behind: {found}"


@pytest.fixture(scope="session", params=list(ENGINES))
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The sandbox under attack."""
    opened = Target(request.param)
    yield opened
    opened.pool.close()
