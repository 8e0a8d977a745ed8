"""Samples per second, and the driver's cost, of grading many cheap samples: local engine, and Ray with 1, 2, 4 nodes.

Each node is a raylet of its own with one processor, all on this machine. Rates are of the middle of a run, from a tenth
to nine tenths of its rows, so that starting up is left out. On a machine that others work on, times of the processor
tell more: of the driver, of the processes that judge on the nodes, and of Ray's own; what runs in containers is in none
of them. Prints a line per run and a JSON document; draws a plot.

    python benchmarks/ray_scale.py --samples 20000 --nodes 1,2,4 --out benchmarks/ray_scale.png
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from ray_nodes import Cluster, ray_cluster

from evalharness.adapters import open_task
from evalharness.cluster.worker import GradingWorker

TASK = "mbpp"


@dataclass(frozen=True)
class Measured:
    """One run. Rates are over its middle; memory is the driver's resident memory, MB, at a tenth and at most after."""

    engine: str
    workers: int
    samples: int
    samples_per_s: float
    driver_cpu_ms_per_sample: float
    judging_cpu_ms_per_sample: float
    """Of the processes on the nodes that hold the sandbox pools; the local engine judges in the driver."""
    ray_cpu_ms_per_sample: float
    """Of everything else that the cluster consists of."""
    driver_mb_early: float
    driver_mb_most: float
    load: float


@dataclass(frozen=True)
class Moment:
    """So many rows were there at a time, for so many seconds of the processor."""

    at: float
    rows: int
    driver: float
    judging: float
    ray: float


def write_samples(path: Path, count: int) -> None:
    """Cheap programs: the official solutions of the bundled sample, in turn."""
    task, _ = open_task(TASK, "sample", {})
    problems = [problem for problem in task.problems() if problem.reference]
    with path.open("w") as file:
        for number in range(count):
            problem = problems[number % len(problems)]
            row = {"task_id": problem.task_id, "sample_id": number // len(problems), "solution": problem.reference}
            file.write(json.dumps(row) + "\n")


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """The processor time that they have had, seconds; of those that are there."""
    found = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found += times.user + times.system
    return found


def cluster_cpu_s(cluster: Cluster | None) -> tuple[float, float]:
    """Of the processes that judge, and of Ray's own."""
    judging: list[psutil.Process] = []
    own: list[psutil.Process] = []
    for process in cluster.processes() if cluster else ():
        with suppress(psutil.NoSuchProcess):
            judges = "".join(process.cmdline()).startswith(f"ray::{GradingWorker.__name__}")
            (judging if judges else own).append(process)
    return cpu_s(judging), cpu_s(own)


def measure(samples: Path, count: int, workers: int, cluster: Cluster | None, folder: Path) -> Measured:
    """Grades the file, watching the driver and the cluster."""
    engine = "ray" if cluster else "local"
    out = folder / f"{engine}{workers}-{time.monotonic_ns()}"
    words = ["grade", "--task", TASK, "--data", "sample", "--samples", samples, "--out", out]
    words += ["--engine", "ray", "--ray-address", cluster.address] if cluster else ["--workers", workers]
    program = Path(sys.executable).with_name("evalharness")
    said = folder / "said"
    with said.open("wb") as file:
        process = subprocess.Popen([str(program), *map(str, words)], stdout=file, stderr=file)
    driver, rows = psutil.Process(process.pid), Rows(out / "verdicts.jsonl")
    early: Moment | None = None
    late: Moment | None = None
    mb_early = mb_most = 0.0
    while process.poll() is None:
        time.sleep(0.5)
        try:
            now = Moment(time.monotonic(), rows.count(), cpu_s([driver]), *cluster_cpu_s(cluster))
            mb = driver.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            break
        if now.rows >= count / 10:
            early, mb_early = early or now, mb_early or mb
            mb_most = max(mb_most, mb)
        if now.rows <= count * 9 / 10:
            late = now
    if process.wait() or early is None or late is None:
        raise RuntimeError(f"the run failed with exit code {process.returncode}: {said.read_text()[-3000:]}")
    graded = late.rows - early.rows

    def ms_per_sample(before: float, after: float) -> float:
        return round(1000 * (after - before) / graded, 3)

    return Measured(
        engine,
        workers,
        count,
        round(graded / (late.at - early.at), 1),
        ms_per_sample(early.driver, late.driver),
        ms_per_sample(early.judging, late.judging),
        ms_per_sample(early.ray, late.ray),
        round(mb_early),
        round(mb_most),
        round(os.getloadavg()[0], 1),
    )


class Rows:
    """Counts the lines of a growing file."""

    def __init__(self, path: Path):
        self.path, self._read, self._lines = path, 0, 0

    def count(self) -> int:
        """How many there are now."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
                self._read += len(data)
                self._lines += data.count(b"\n")
        return self._lines


def draw(found: Sequence[Measured], path: Path) -> None:
    """Samples per second against workers, for both engines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    for engine, marker in (("local", "o"), ("ray", "s")):
        points = sorted((one.workers, one.samples_per_s) for one in found if one.engine == engine)
        axes.plot([x for x, _ in points], [y for _, y in points], marker=marker, label=engine)
    axes.set_xlabel("workers (local), nodes of one processor (ray)")
    axes.set_ylabel("samples/s")
    axes.set_xticks(sorted({one.workers for one in found}))
    axes.set_ylim(0)
    axes.set_title(f"{found[0].samples:,} cheap samples on {os.cpu_count()} shared cores", fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--nodes", default="1,2,4", help="how many workers and nodes, with commas")
    parser.add_argument("--engines", default="local,ray", help="which of them; one alone for a run of hours")
    parser.add_argument("--out", type=Path, default=None, help="the plot, a .png or .svg")
    given = parser.parse_args()
    engines = given.engines.split(",")
    if set(engines) - {"local", "ray"}:
        parser.error("--engines takes local, ray, or both with a comma")
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = folder / "samples.jsonl"
        write_samples(samples, given.samples)
        for workers in map(int, given.nodes.split(",")):
            for engine in engines:
                with ray_cluster(workers) if engine == "ray" else nullcontext() as cluster:
                    found.append(measure(samples, given.samples, workers, cluster, folder))
                print(found[-1], flush=True)
    if given.out:
        draw(found, given.out)
    print(json.dumps([asdict(one) for one in found], indent=1))


if __name__ == "__main__":
    main()
