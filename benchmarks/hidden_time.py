"""How a sample that never ends, and hides its processor time, delays others: its time, and theirs.

Runs as many honest programs as `--count`, each of which computes for `--seconds`, alone and then beside each hostile
sample, and prints the hostile sample's verdict and time, and the times of the others with their ratio.

    python benchmarks/hidden_time.py [--sandbox docker] [--count 100] [--seconds 0.4]
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

from evalharness.records import ExecProgram, Limits
from evalharness.sandbox.factory import open_sandbox
from evalharness.sandbox.pool import ContainerPool

LIMIT_S = 3.0
HONEST = "x = 0\nfor number in range({0}):\n    x += number * number % 7\nassert x >= 0\n"
LOOPS_PER_S = 12_000_000
HOSTILE = {
    "children that nobody waits for": """
import posix, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True:
    try:
        if posix.fork() == 0:
            for _ in range(10 ** 6): pass
            posix._exit(0)
    except OSError: pass
""",
    "stands still": """
import signal, time
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True: time.sleep(1000)
""",
    "half asleep": """
import signal, time
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True:
    for _ in range(10 ** 5): pass
    time.sleep(0.02)
""",
    "stopped": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n",
}


def run_all(pool: ContainerPool, programs: list[ExecProgram]) -> float:
    """Returns the seconds that all programs take together. Exits where one fails."""
    started = time.perf_counter()
    with ThreadPoolExecutor(pool.threads) as threads:
        for execution in threads.map(pool.run, programs):
            if any(part.status != "passed" for part in execution.parts.values()) or execution.infrastructure:
                raise SystemExit(f"an honest program did not pass: {execution}")
    return time.perf_counter() - started


def beside(pool: ContainerPool, hostile: ExecProgram, others: list[ExecProgram]) -> tuple[str, float, float]:
    """Returns the hostile program's verdict and seconds, and the seconds of the others beside it."""
    started = time.perf_counter()
    ended = []

    def run_hostile() -> str:
        [part] = pool.run(hostile).parts.values()
        ended.append(time.perf_counter() - started)
        return f"{part.status} ({part.detail})"

    with ThreadPoolExecutor(1) as thread:
        verdict = thread.submit(run_hostile)
        seconds = run_all(pool, others)
        return verdict.result(), ended[0], seconds


def main() -> None:
    """Prints one line per hostile sample."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sandbox", default="docker")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.4)
    args = parser.parse_args()
    pool = open_sandbox(args.sandbox, args.workers, {}, print)
    try:
        pool.prepare(["python"])
        honest = ExecProgram("python", HONEST.format(int(args.seconds * LOOPS_PER_S)), Limits(20.0, 1024))
        others = [honest] * args.count
        run_all(pool, others[: 2 * args.workers])
        alone = run_all(pool, others)
        print(
            f"{args.count} honest programs alone: {alone:.1f} s; "
            f"bound of a hostile one: {pool.total_time_factor * LIMIT_S:g} s"
        )
        for name, source in HOSTILE.items():
            program = ExecProgram("python", source, Limits(LIMIT_S, 1024))
            verdict, own, seconds = beside(pool, program, others)
            print(
                f"{name}: {verdict} after {own:.1f} s; others {seconds:.1f} s, ratio {seconds / alone:.2f}", flush=True
            )
    finally:
        pool.close()


if __name__ == "__main__":
    main()
