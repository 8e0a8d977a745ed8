"""The clock counts time as on an idle machine: everything except waiting for a core."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.programs import exec_program, only

from evalharness.sandbox.agent.shared import clock
from evalharness.sandbox.agent.shared.clock import Stopwatch
from evalharness.sandbox.pool import ContainerPool

PACED = """
import time
while time.process_time() < {0}: pass
"""


@pytest.fixture
def busy_cores() -> Iterator[None]:
    """Twice as many busy processes as there are cores."""
    count = 2 * (os.cpu_count() or 1)
    crowd = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    yield
    for process in crowd:
        process.kill()
        process.wait()


def test_sleeping_counts() -> None:
    watch = Stopwatch()
    time.sleep(0.2)
    assert 0.19 < watch.elapsed_s() <= watch.wall_s()
    watch.restart()
    assert watch.elapsed_s() < 0.1
    watch.close()
    watch.close()


def test_waiting_for_a_core_does_not_count(busy_cores: None) -> None:
    watch = Stopwatch()
    if not watch.exact:
        pytest.skip("this kernel keeps no schedstat")
    begun = time.thread_time()
    while watch.wall_s() < 0.5:
        pass
    used = time.thread_time() - begun
    assert watch.elapsed_s() == pytest.approx(used, abs=0.1)


def test_another_process_is_watched_by_its_main_thread() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    watch = Stopwatch(child.pid)
    time.sleep(0.1)
    assert watch.elapsed_s() > 0.05
    child.kill()
    child.wait()
    assert watch.elapsed_s() > 0.05  # a process that is gone does not break its watch
    watch.close()


def test_without_schedstat_the_wall_clock_decides() -> None:
    watch = Stopwatch(2**22 + 1)
    assert not watch.exact
    assert 0 <= watch.elapsed_s() <= watch.wall_s() + 0.01


@pytest.mark.docker
def test_a_busy_machine_does_not_make_a_program_too_slow(sandbox: ContainerPool, busy_cores: None) -> None:
    """A program that needs 60 % of its time on an idle machine passes, five times out of five."""
    program = exec_program(PACED.format(0.3), time_s=0.5)
    with ThreadPoolExecutor(2) as threads:
        outcomes = [only(execution) for execution in threads.map(sandbox.run, [program] * 5)]
    assert [outcome.status for outcome in outcomes] == ["passed"] * 5


@pytest.mark.docker
def test_a_busy_machine_does_not_make_a_program_faster(sandbox: ContainerPool, busy_cores: None) -> None:
    outcome = only(sandbox.run(exec_program("while True: pass", time_s=0.3)))
    assert outcome.status == "timeout"
    assert outcome.cpu_s == pytest.approx(0.3, abs=0.15)


@pytest.mark.docker
def test_a_busy_thread_does_not_stop_the_clock(sandbox: ContainerPool) -> None:
    """The main thread waits for the other; that time counts, because it does not wait for a core."""
    body = "import threading\ndef work():\n    while True: pass\nthread = threading.Thread(target=work)\n"
    outcome = only(sandbox.run(exec_program(body + "thread.start()\nthread.join()", time_s=0.3)))
    assert outcome.status == "timeout"
    assert outcome.wall_s < 3


def test_waits_of_ended_processes_are_kept(busy_cores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the successive processes of a compiler."""
    waits, before = clock.CoreWaitMeter(), 0.0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        monkeypatch.setattr(clock, "job_pids", lambda child=child: [child.pid])
        time.sleep(0.4)
        now = waits.read_waited_s()
        child.kill()
        child.wait()
        assert waits.read_waited_s() == now
        assert now > before
        before = now
    assert before > 0.3
