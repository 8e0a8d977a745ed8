"""Many at once, or one alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from evalharness.sandbox.shared_lock import Turns


def test_alone_means_alone() -> None:
    turns, inside, most, lock = Turns(), [0], [0], threading.Lock()
    clashes = []

    def work(number: int) -> None:
        alone = number % 5 == 0
        with turns.alone() if alone else turns.shared():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                if alone and inside[0] > 1:
                    clashes.append(number)
            time.sleep(0.002)
            with lock:
                if alone and inside[0] > 1:
                    clashes.append(number)
                inside[0] -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(100)))
    assert not clashes
    assert most[0] > 1


def test_who_fails_lets_others_in() -> None:
    turns = Turns()
    for turn in (turns.alone, turns.shared):
        try:
            with turn():
                raise KeyError
        except KeyError:
            pass
    with turns.alone():
        pass
