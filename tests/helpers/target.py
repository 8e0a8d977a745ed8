"""The sandbox under attack."""

import threading

import pytest

from evalharness.records import ExecProgram, Execution, Limits, Outcome, Program
from evalharness.sandbox.engines.bubblewrap import BubblewrapEngine
from evalharness.sandbox.engines.container import Engine
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool
from helpers.attack import last
from helpers.probe import FRESH

ENGINES = ("docker", "bubblewrap")
PATIENCE_S = 40.0


class Target:
    """A sandbox of two workers. It is reopened if an attack hangs it, so that one weakness causes one failure."""

    def __init__(self, engine: str):
        self.engine, self.images = engine, ["python"]
        self._open()

    def _open(self) -> None:
        engine: Engine = DockerEngine() if self.engine == "docker" else BubblewrapEngine()
        self.pool = ContainerPool(engine, workers=2, memory_mb=1024)
        self.pool.prepare(self.images)

    def prepare(self, image: str) -> None:
        """Makes an image ready, as well as Python's."""
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
        outcome = self.run(ExecProgram("python", FRESH, Limits(2.0, 1024)))
        assert outcome.status == "passed", f"left behind: {outcome}"
