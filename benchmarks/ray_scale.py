"""Samples per second and CPU time of grading many cheap samples: on this machine, and on 1, 2 and 4 Ray nodes.

Each node is a raylet with one CPU, all on this machine. Rates are measured between 10 % and 90 % of the rows, which
excludes start-up. On a machine with other work, CPU times are more reliable: those of the driver, of the grading
processes on the nodes, and of Ray. What runs in containers is not counted. Prints a line per run and a JSON document,
and draws a plot.

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
class Measurement:
    """One run. Memory is the driver's resident memory in MB, after a tenth of the rows and at most after that."""

    executor: str
    workers: int
    samples: int
    samples_per_s: float
    driver_cpu_ms_per_sample: float
    grading_cpu_ms_per_sample: float
    """Of the processes with the nodes' sandbox pools; 0 for a local run, which grades in the driver."""
    ray_cpu_ms_per_sample: float
    """Of all other processes of the cluster."""
    driver_mb_early: float
    driver_mb_peak: float
    load: float
    """The machine's load average at the end."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at a time: written rows, and CPU seconds of driver, grading processes and Ray."""

    at: float
    rows: int
    driver: float
    grading: float
    ray: float


def write_samples(path: Path, count: int) -> None:
    """Writes cheap programs: the official solutions of the bundled sample, round robin."""
    task, _ = open_task(TASK, "sample", {})
    problems = [problem for problem in task.problems() if problem.reference]
    with path.open("w") as file:
        for number in range(count):
            problem = problems[number % len(problems)]
            row = {"task_id": problem.task_id, "sample_id": number // len(problems), "solution": problem.reference}
            file.write(json.dumps(row) + "\n")


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds of the processes that still exist."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def cluster_cpu_s(cluster: Cluster | None) -> tuple[float, float]:
    """CPU seconds of the grading processes on the nodes, and of Ray's processes."""
    grading: list[psutil.Process] = []
    ray: list[psutil.Process] = []
    for process in cluster.processes() if cluster else ():
        with suppress(psutil.NoSuchProcess):
            is_grading = "".join(process.cmdline()).startswith(f"ray::{GradingWorker.__name__}")
            (grading if is_grading else ray).append(process)
    return cpu_s(grading), cpu_s(ray)


def measure(samples: Path, count: int, workers: int, cluster: Cluster | None, folder: Path) -> Measurement:
    """Grades the file and samples the CPU time and memory of driver and cluster."""
    executor = "ray" if cluster else "local"
    out = folder / f"{executor}{workers}-{time.monotonic_ns()}"
    arguments = ["grade", "--task", TASK, "--data", "sample", "--samples", samples, "--out", out]
    arguments += ["--executor", "ray", "--ray-address", cluster.address] if cluster else ["--workers", workers]
    program = Path(sys.executable).with_name("evalharness")
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen([str(program), *map(str, arguments)], stdout=file, stderr=file)
    driver, rows = psutil.Process(process.pid), Rows(out / "verdicts.jsonl")
    early: Snapshot | None = None
    late: Snapshot | None = None
    mb_early = mb_peak = 0.0
    while process.poll() is None:
        time.sleep(0.5)
        try:
            now = Snapshot(time.monotonic(), rows.count(), cpu_s([driver]), *cluster_cpu_s(cluster))
            mb = driver.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            break
        if now.rows >= count / 10:
            early, mb_early = early or now, mb_early or mb
            mb_peak = max(mb_peak, mb)
        if now.rows <= count * 9 / 10:
            late = now
    if process.wait() or early is None or late is None:
        raise RuntimeError(f"the run failed with exit code {process.returncode}: {output.read_text()[-3000:]}")
    graded = late.rows - early.rows

    def ms_per_sample(before: float, after: float) -> float:
        return round(1000 * (after - before) / graded, 3)

    return Measurement(
        executor,
        workers,
        count,
        round(graded / (late.at - early.at), 1),
        ms_per_sample(early.driver, late.driver),
        ms_per_sample(early.grading, late.grading),
        ms_per_sample(early.ray, late.ray),
        round(mb_early),
        round(mb_peak),
        round(os.getloadavg()[0], 1),
    )


class Rows:
    """Counts the lines of a growing file."""

    def __init__(self, path: Path):
        self.path, self._read, self._lines = path, 0, 0

    def count(self) -> int:
        """The current number of lines."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
                self._read += len(data)
                self._lines += data.count(b"\n")
        return self._lines


def draw(measurements: Sequence[Measurement], path: Path) -> None:
    """Plots samples per second against workers, for both executors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    for executor, marker in (("local", "o"), ("ray", "s")):
        points = sorted((run.workers, run.samples_per_s) for run in measurements if run.executor == executor)
        axes.plot([x for x, _ in points], [y for _, y in points], marker=marker, label=executor)
    axes.set_xlabel("workers (local), nodes with one CPU (ray)")
    axes.set_ylabel("samples/s")
    axes.set_xticks(sorted({run.workers for run in measurements}))
    axes.set_ylim(0)
    axes.set_title(f"{measurements[0].samples:,} cheap samples on {os.cpu_count()} shared cores", fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--nodes", default="1,2,4", help="numbers of workers and nodes, separated by commas")
    parser.add_argument("--executors", default="local,ray", help="executors to measure, separated by commas")
    parser.add_argument("--out", type=Path, default=None, help="the plot, a .png or .svg")
    args = parser.parse_args()
    executors = args.executors.split(",")
    if set(executors) - {"local", "ray"}:
        parser.error("--executors must be local, ray or local,ray")
    measurements = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = folder / "samples.jsonl"
        write_samples(samples, args.samples)
        for workers in map(int, args.nodes.split(",")):
            for executor in executors:
                with ray_cluster(workers) if executor == "ray" else nullcontext() as cluster:
                    measurements.append(measure(samples, args.samples, workers, cluster, folder))
                print(measurements[-1], flush=True)
    if args.out:
        draw(measurements, args.out)
    print(json.dumps([asdict(run) for run in measurements], indent=1))


if __name__ == "__main__":
    main()
