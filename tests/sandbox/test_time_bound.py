"""The total time of a sample has a bound, which the host enforces, whatever the sample does."""

import time
from collections.abc import Iterator

import pytest
from helpers.target import ENGINES
from hidden_time import HOSTILE

from evalharness.errors import InfrastructureError, UserError
from evalharness.records import CasesProgram, Checks, EncodedTestCases, ExecProgram, Limits, ProcessRules
from evalharness.sandbox.engines.container import Container
from evalharness.sandbox.factory import open_sandbox, parse_sandbox_options
from evalharness.sandbox.pool import ContainerPool
from evalharness.sandbox.time_bound import TimeBound, TotalTimeExceeded

BURNS = HOSTILE["children that nobody waits for"]
BURNS_ONCE = """
import posix, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
alive, done = set(), 0
while done < 25:
    while len(alive) < 12:
        pid = posix.fork()
        if pid == 0:
            end = time.process_time() + 0.2
            while time.process_time() < end: pass
            posix._exit(0)
        alive.add(pid)
    for pid in list(alive):
        try: posix.kill(pid, 0)
        except OSError:
            alive.discard(pid)
            done += 0.2
print(int(input()) * 2)
"""


class SilentChannel:
    """A channel to an agent that says hello and then nothing, or one announcement."""

    def __init__(self, *messages: bytes) -> None:
        self.messages, self.closed = [b'{"hello": 1}', *messages], False

    def send(self, data: bytes, wait_s: float) -> None:
        pass

    def receive(self, wait_s: float) -> bytes:
        if self.messages:
            text = self.messages.pop(0)
            return len(text).to_bytes(4, "big") + bytes(4) + text
        time.sleep(wait_s)
        raise InfrastructureError("the sandbox container does not answer")

    def cpu_s(self) -> float | None:
        return None

    def lower_priority(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def test_a_silent_container_is_given_up_at_the_bound() -> None:
    container, bound = Container(SilentChannel(), "silent"), TimeBound(0.05, 4)
    bound.start()
    began = time.monotonic()
    with pytest.raises(TotalTimeExceeded):
        container.run_job(b"", bound)
    assert 0.15 < time.monotonic() - began < 1


def test_the_agent_may_announce_the_limit() -> None:
    container, bound = Container(SilentChannel(b'{"limit_s": 0.1}'), "silent"), TimeBound(600, 3)
    bound.start()
    began = time.monotonic()
    with pytest.raises(TotalTimeExceeded):
        container.run_job(b"", bound)
    assert 0.25 < time.monotonic() - began < 1


def test_waiting_for_its_turn_is_not_part_of_a_samples_time() -> None:
    bound = TimeBound(1, 2)
    time.sleep(0.05)
    assert bound.used_s() == 0
    bound.start()
    time.sleep(0.05)
    bound.stop()
    used = bound.used_s()
    time.sleep(0.05)
    assert bound.used_s() == used >= 0.05


@pytest.mark.parametrize("bound", ["0", "-1", "many", "nan", "inf"])
def test_the_bound_is_a_number_above_0(bound: str) -> None:
    with pytest.raises(UserError, match="bound="):
        parse_sandbox_options("docker", {"bound": bound})


@pytest.fixture(scope="module", params=ENGINES)
def pool(request: pytest.FixtureRequest) -> Iterator[ContainerPool]:
    opened = open_sandbox(request.param, 1, {"bound": "4"}, print)
    opened.prepare(["python"])
    yield opened
    opened.close()


@pytest.mark.docker
def test_hidden_cpu_time_is_counted(pool: ContainerPool) -> None:
    began = time.monotonic()
    [part] = pool.run(ExecProgram("python", BURNS, Limits(1.0, 1024))).parts.values()
    assert part.status == "timeout", part
    assert time.monotonic() - began < 4 * 1 + 2
    if pool.total_time_factor * 1.0 > part.wall_s:
        assert part.cpu_s > 1, part


@pytest.mark.docker
def test_hidden_cpu_time_of_one_case_is_counted(pool: ContainerPool) -> None:
    cases = EncodedTestCases('[{"input": "1", "output": "2", "testtype": "stdin"}]')
    program = CasesProgram("python", BURNS_ONCE, Limits(1.0, 1024), ProcessRules(guard="livecodebench"), cases)
    [part] = pool.run(program).parts.values()
    assert part.status == "timeout", part


@pytest.mark.docker
def test_nobody_waits_for_a_program_that_has_ended(pool: ContainerPool) -> None:
    # Its text is no program, so that nothing says that it is harmless and its checks run apart.
    program = ExecProgram("python", "def (", Limits(3.0, 1024), checks=Checks("assert f(1) == 1", "", "f"))
    began = time.monotonic()
    [part] = pool.run(program).parts.values()
    assert part.status == "error", part
    assert time.monotonic() - began < 2


@pytest.mark.docker
def test_the_manifest_names_the_bound(pool: ContainerPool) -> None:
    assert pool.describe()["total_time"] == "4 times the limit"
