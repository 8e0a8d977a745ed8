"""Another program uses the slot of one that sleeps, but not of one that computes; never do too many run."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.programs import run
from helpers.sandboxes import MakeSandbox

from evalharness.sandbox.pool import MAX_WAITING_RERUNS
from evalharness.sandbox.worker_slots import CHECK_INTERVAL_S, MIN_SLEEPING_CHECKS, WorkerSlots

WAITS = "import time\ntime.sleep(8)\n"
COMPUTES = "import time\nend = time.process_time() + 4\nwhile time.process_time() < end: pass\n"
QUICK = "x = 1\n"


def test_a_slot_is_shared_while_its_cpu_time_stands_still() -> None:
    slots = WorkerSlots(1, max_shared=1)
    ended = threading.Event()

    def sleeper() -> None:
        with slots.occupy_slot() as slot:
            slot.cpu_meter = lambda: 5.0
            ended.wait(30)

    thread = threading.Thread(target=sleeper)
    thread.start()
    time.sleep(0.1)
    began = time.monotonic()
    with slots.occupy_slot():
        assert MIN_SLEEPING_CHECKS * CHECK_INTERVAL_S - 0.5 < time.monotonic() - began < 10 * CHECK_INTERVAL_S
        ended.set()
        thread.join()
        third = threading.Event()

        def another() -> None:
            with slots.occupy_slot():
                third.set()

        threading.Thread(target=another).start()
        assert not third.wait(0.5), "a shared slot is occupied twice"
    assert third.wait(5)
    slots.close()


@pytest.mark.parametrize("meter", [time.monotonic, lambda: None, None])
def test_a_slot_is_not_shared_while_it_computes_or_if_unknown(
    meter: Callable[[], float | None] | None,
) -> None:
    slots = WorkerSlots(1, max_shared=1)
    ended = threading.Event()

    def busy() -> None:
        with slots.occupy_slot() as slot:
            slot.cpu_meter = meter
            ended.wait(30)

    thread = threading.Thread(target=busy)
    thread.start()
    time.sleep(0.1)
    threading.Timer(4 * CHECK_INTERVAL_S, ended.set).start()
    began = time.monotonic()
    with slots.occupy_slot():
        assert time.monotonic() - began > 3.5 * CHECK_INTERVAL_S
    thread.join()
    slots.close()


def test_a_slot_is_shared_when_its_program_has_used_more_than_its_limit() -> None:
    slots, lowered, ended = WorkerSlots(1, max_shared=1), threading.Event(), threading.Event()

    def busy() -> None:
        with slots.occupy_slot() as slot:
            slot.limit_s, slot.cpu_meter, slot.lower_priority = 2 * CHECK_INTERVAL_S, time.monotonic, lowered.set
            ended.wait(30)

    thread = threading.Thread(target=busy)
    thread.start()
    time.sleep(0.1)
    began = time.monotonic()
    with slots.occupy_slot():
        assert 2 * CHECK_INTERVAL_S < time.monotonic() - began < 10 * CHECK_INTERVAL_S
        assert lowered.is_set()
    ended.set()
    thread.join()
    slots.close()


@pytest.mark.docker
@pytest.mark.parametrize(("source", "shares"), [(WAITS, True), (COMPUTES, False)])
def test_others_are_judged_while_a_sample_sleeps_but_not_while_it_computes(
    source: str, shares: bool, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox()
    assert (sandbox.workers, sandbox.threads) == (1, 2 + MAX_WAITING_RERUNS)
    run(sandbox, QUICK)
    ended: list[str] = []

    def judge(program: str) -> None:
        assert run(sandbox, program, time_s=20.0).status == "passed"
        ended.append(program)

    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(judge, source)
        time.sleep(0.5)
        threads.submit(judge, QUICK).result()
        slow.result()
    assert ended == ([QUICK, source] if shares else [source, QUICK])
