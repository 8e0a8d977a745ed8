"""Measures the engine of `evalharness serve` without HTTP: output tokens/s by rows and by threads with a batch each.

    python benchmarks/serving_engine.py [--way diffusion] [--model FILE] [--seconds 3] [--rounds 3]

All settings run alternately, `--rounds` times, so that other work on the machine disturbs all of them alike. `cores` is
the CPU time per second: the ratios by wall time mean something only where a setting had the cores that it can use. The
ratios by CPU time leave out what the threads wait for each other.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from evalharness.backends.diffusion.options import DiffusionOptions
from evalharness.backends.network.loading import load_network
from evalharness.backends.options import parse_options
from evalharness.bench.workload import make_coding_problems
from evalharness.diffusion.serving.batch import ContinuousBatch
from evalharness.model_server.engine.decoders import DecoderFactory
from evalharness.model_server.engine.job import GenerationJob
from evalharness.model_server.engine.workers import JobUpdates, ScheduledJob, WorkerPool
from evalharness.records import Problem

SETTINGS = ((1, 1), (8, 1), (8, 2))
"""Rows, and threads with a batch each."""
PROMPT_TOKENS, OUTPUT_TOKENS = 64, 96
WARM_UP_S = 0.5


@dataclass
class Measured:
    """Output tokens, and the seconds and CPU seconds that they took."""

    tokens: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


class ClosedLoop:
    """Keeps a number of rows in the engine: a new one follows each that ends."""

    def __init__(self, factory: DecoderFactory, way: str, problems: list[Problem], rows: int, threads: int) -> None:
        self._factory, self._way, self._problems = factory, way, problems
        self._numbers = count()
        self.tokens = 0
        self._stopped = False
        self.workers = WorkerPool(lambda: ContinuousBatch(factory.network.model), threads, rows, self._report)
        self.workers.add_jobs([self._entry() for _ in range(rows)])

    def stop(self) -> None:
        """Ends the engine."""
        self._stopped = True
        self.workers.close()

    def _entry(self) -> ScheduledJob:
        problem = self._problems[next(self._numbers) % len(self._problems)]
        decoder = self._factory.make_decoder(GenerationJob(problem.prompt, self._way, OUTPUT_TOKENS))
        return ScheduledJob(decoder, time.perf_counter(), lambda update: None)

    def _report(self, updates: JobUpdates) -> None:
        for _, update in updates:
            self.tokens += len(update.tokens)
            if update.outcome and not self._stopped:
                self.workers.add_jobs([self._entry()])


def add_round(total: Measured, loop: ClosedLoop, seconds: float) -> None:
    """Adds what the engine generates in that many seconds."""
    time.sleep(WARM_UP_S)
    tokens, cpu_s, wall_s = loop.tokens, time.process_time(), time.perf_counter()
    time.sleep(seconds)
    total.tokens += loop.tokens - tokens
    total.cpu_s += time.process_time() - cpu_s
    total.wall_s += time.perf_counter() - wall_s
    loop.stop()


def show(found: Mapping[tuple[int, int], Measured]) -> None:
    """Prints one line for each setting."""
    base = found[SETTINGS[0]]
    for (rows, threads), measured in found.items():
        per_s, per_cpu_s = measured.tokens / measured.wall_s, measured.tokens / measured.cpu_s
        print(
            f"{rows} rows, {threads} threads: {per_s:.0f} tokens/s ({per_s * base.wall_s / base.tokens:.2f}x), "
            f"{per_cpu_s:.0f} per CPU second ({per_cpu_s * base.cpu_s / base.tokens:.2f}x), "
            f"{measured.cpu_s / measured.wall_s:.2f} cores"
        )


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", default="diffusion", choices=("ar", "diffusion"))
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    network = load_network(arguments.model, parse_options(DiffusionOptions, "diffusion", {}))
    factory = DecoderFactory(network, None, {"ar": {}, "diffusion": {}})
    problems = list(make_coding_problems(64, PROMPT_TOKENS))
    found = {setting: Measured() for setting in SETTINGS}
    for _ in range(arguments.rounds):
        for (rows, threads), total in found.items():
            add_round(total, ClosedLoop(factory, arguments.way, problems, rows, threads), arguments.seconds)
    show(found)


if __name__ == "__main__":
    main()
