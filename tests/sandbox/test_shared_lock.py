"""The lock is held by many threads, or by one exclusively."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from evalharness.sandbox.shared_lock import SharedLock


def test_an_exclusive_holder_is_alone() -> None:
    shared_lock, inside, most, lock = SharedLock(), [0], [0], threading.Lock()
    clashes = []

    def work(number: int) -> None:
        exclusive = number % 5 == 0
        with shared_lock.exclusive(0.01) if exclusive else shared_lock.shared():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                if exclusive and inside[0] > 1:
                    clashes.append(number)
            time.sleep(0.002)
            with lock:
                if exclusive and inside[0] > 1:
                    clashes.append(number)
                inside[0] -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(100)))
    assert not clashes
    assert most[0] > 1


def test_an_exception_releases_the_lock() -> None:
    shared_lock = SharedLock()
    for hold in (lambda: shared_lock.exclusive(0), shared_lock.shared):
        try:
            with hold():
                raise KeyError
        except KeyError:
            pass
    with shared_lock.exclusive(0):
        pass


def test_a_patient_thread_delays_no_other() -> None:
    shared_lock, order = SharedLock(), []
    begun, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with shared_lock.shared():
            begun.set()
            leave.wait()

    def wait_for_quiet() -> None:
        with shared_lock.exclusive(30):
            order.append("exclusive")

    with ThreadPoolExecutor(2) as threads:
        threads.submit(hold)
        begun.wait()
        threads.submit(wait_for_quiet)
        time.sleep(0.05)
        for _ in range(3):
            with shared_lock.shared():
                order.append("shared")
        leave.set()
    assert order == ["shared"] * 3 + ["exclusive"]


def test_an_impatient_thread_comes_first() -> None:
    shared_lock, order = SharedLock(), []
    begun = threading.Event()

    def hold() -> None:
        with shared_lock.shared():
            begun.set()
            time.sleep(0.2)

    def exclusive() -> None:
        with shared_lock.exclusive(0.02):
            order.append("exclusive")

    with ThreadPoolExecutor(2) as threads:
        threads.submit(hold)
        begun.wait()
        threads.submit(exclusive)
        time.sleep(0.1)
        with shared_lock.shared():
            order.append("shared")
    assert order == ["exclusive", "shared"]
