"""`--option isolation=containers`: programs that are not harmless get their own containers."""

import pytest

from evalharness.records import Checks, ExecProgram, Limits
from evalharness.sandbox.factory import open_sandbox

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(("body", "status"), [("x * x", "passed"), ("x + 9", "failed")])
def test_a_program_that_is_not_harmless_is_judged_in_its_own_container(engine: None, body: str, status: str) -> None:
    pool = open_sandbox("docker", 1, {"isolation": "containers"}, print)
    try:
        pool.prepare(["python"])
        checks = Checks("assert f(1) == 1\nassert f(3) == 9", "", "f")
        program = ExecProgram("python", f"import os\ndef f(x): return {body}", Limits(3.0, 1024), checks=checks)
        assert [part.status for part in pool.run(program).parts.values()] == [status]
        assert pool.describe()["isolation"] == "containers"
    finally:
        pool.close()
