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
        with shared_lock.exclusive() if exclusive else shared_lock.shared():
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
    for hold in (shared_lock.exclusive, shared_lock.shared):
        try:
            with hold():
                raise KeyError
        except KeyError:
            pass
    with shared_lock.exclusive():
        pass
