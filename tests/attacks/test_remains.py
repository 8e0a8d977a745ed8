"""Programs that leave something behind or do harm: the judge answers, and the sandbox is as new for the next sample."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.attack import Attack, load, marked, python_program
from helpers.target import Target

pytestmark = pytest.mark.docker

RIGHT = "def f(x): return x * x + 1"
WAITS_FOR_THE_NEXT = """
import os, posix, time
if posix.fork() == 0:
    posix.setsid()
    if posix.fork() == 0:
        posix.closerange(0, 256)
        mine = set(os.listdir("/proc"))
        while True:
            for name in set(os.listdir("/proc")) - mine:
                if name.isdigit():
                    try: os.kill(int(name), 9)
                    except OSError: pass
            for name in os.listdir("/tmp"):
                try: open(f"/tmp/{name}/left.py", "w").write("import os; os._exit(0)")
                except OSError: pass
    posix._exit(0)
time.sleep(0.1)
assert False
"""
TAKES_A_WHILE = "import os, time\nfor _ in range(20):\n    time.sleep(0.02)\n    assert not os.listdir('.')\n" + RIGHT
MANY_PROCESSES = """
import posix, time
try:
    while True:
        if posix.fork() == 0:
            posix.closerange(0, 256)
            time.sleep(1000)
except OSError: pass
time.sleep(0.8)
assert False
"""
SOME_THREADS = """
import threading, time
time.sleep(0.4)
threads = [threading.Thread(target=time.sleep, args=(0.1,)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize("attack", marked(load("python/remains", "python/harm")))
def test_leaves_nothing(attack: Attack, target: Target) -> None:
    outcome = target.run(python_program(attack.source, rules=attack.rules, time_s=attack.time_s))
    assert outcome.status in attack.ends, f"{attack.tries}: {outcome}"
    target.assert_fresh()


def test_a_daemon_does_not_outlive_its_sample(target: Target) -> None:
    for _ in range(2):
        assert target.run(python_program(WAITS_FOR_THE_NEXT, "numbers")).status == "failed"
        outcome = target.run(python_program(TAKES_A_WHILE, "numbers"))
        assert outcome.status == "passed", outcome


def test_one_worker_does_not_take_the_processes_of_another(target: Target) -> None:
    """The kernel counts a user's processes in all containers together."""
    with ThreadPoolExecutor(2) as threads:
        bomb = threads.submit(target.run, python_program(MANY_PROCESSES))
        honest = threads.submit(target.run, python_program(SOME_THREADS + RIGHT, "numbers"))
        assert bomb.result().status in ("failed", "timeout")
        assert honest.result().status == "passed", honest.result()
    target.assert_fresh()
