import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.bounded_functions import complain, crash, doubled, grow, process_id, spin, values

from evalharness.util.limits.calls import STOP_EVENT, LimitExceeded, bounded_call


def test_a_value_comes_back() -> None:
    assert bounded_call(doubled, "é\ud800\0") == "é\ud800\0" * 2
    assert bounded_call(values) == values()


def test_the_call_runs_in_another_process_which_is_used_again() -> None:
    first, second = bounded_call(process_id), bounded_call(process_id)
    assert first == second != os.getpid()


@pytest.mark.parametrize("function", [spin, grow, crash])
def test_a_call_that_needs_too_much_ends_and_the_next_one_works(function: object) -> None:
    start = time.monotonic()
    with pytest.raises(LimitExceeded):
        bounded_call(function, cpu_s=0.2)  # type: ignore[arg-type]
    assert bounded_call(doubled, "a") == "aa"
    assert time.monotonic() - start < 20


def test_another_exception_is_named() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'x'"):
        bounded_call(complain, "x")


def test_other_threads_run_while_a_call_spins() -> None:
    ticks, stopped = [], threading.Event()

    def tick() -> None:
        while not stopped.wait(0.01):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    with pytest.raises(LimitExceeded):
        bounded_call(spin, cpu_s=0.5)
    stopped.set()
    thread.join()
    assert len(ticks) > 10


def test_a_stopped_thread_does_not_wait_for_its_call() -> None:
    stopped, start = threading.Event(), time.monotonic()

    def call() -> None:
        STOP_EVENT.set(stopped)
        with pytest.raises(LimitExceeded):
            bounded_call(spin, cpu_s=60.0)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(call)
        time.sleep(0.5)
        stopped.set()
        waiting.result()
    assert time.monotonic() - start < 10


def test_many_threads_share_the_workers() -> None:
    with ThreadPoolExecutor(16) as threads:
        texts = [str(number) for number in range(400)]
        assert list(threads.map(lambda text: bounded_call(doubled, text), texts)) == [text + text for text in texts]


def test_a_forked_process_has_its_own_workers() -> None:
    before = bounded_call(process_id)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(bounded_call(process_id) != before).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as answer:
        assert answer.read() == "True"
    assert bounded_call(process_id) == before
