"""CPU time per sample and memory of the driver of a run on Ray.

The driver does all its work for a sample: it writes the completion, sends it to a node in a chunk, and writes the
verdict. The nodes run nothing, since the completions are marked as failed by their backend, so that the driver is the
bottleneck. Prints rows per second, CPU time per row, and the driver's memory after a tenth of the rows and its maximum.

    python benchmarks/ray_driver.py --rows 200000 --nodes 2
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psutil
from ray_nodes import Cluster, ray_cluster
from ray_scale import TASK

from evalharness.adapters import open_task
from evalharness.cluster.executor import connect_to_ray
from evalharness.cluster.grading import ClusterGrader
from evalharness.cluster.nodes import ClusterSandboxes
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.store import RunStore
from evalharness.records import Completion, Problem


def completions(problems: list[Problem], count: int) -> Iterator[Completion]:
    """The official solutions, round robin, marked as failures of the backend."""
    for number in range(count):
        problem = problems[number % len(problems)]
        text = problem.reference or ""
        yield Completion(problem.task_id, number // len(problems), text, characters=len(text), error="benchmark")


def measure(cluster: Cluster, count: int, folder: Path) -> None:
    """Grades `count` rows and prints the cost for this process."""
    task, context = open_task(TASK, "sample", {})
    problems = {problem.task_id: problem for problem in task.problems()}
    connect_to_ray(cluster.address)
    config = RunConfig(TASK, "reference", workers=0, data="sample", executor="ray", ray_address=cluster.address)
    sandboxes = ClusterSandboxes(config, print, sandbox_needed=True)
    sandboxes.prepare([context.image])
    driver, store = psutil.Process(), RunStore(folder / "run", cast(Any, {}), cast(Any, {}))
    grader = ClusterGrader(task, problems, sandboxes, store.add_verdict, print)
    early_mb = peak_mb = 0.0
    begin, cpu_before = time.monotonic(), time.process_time()
    for number, completion in enumerate(completions(list(problems.values()), count)):
        store.add_completion(replace(completion, error=""))
        grader.put(completion)
        if number % 1000 == 0 and number >= count / 10:
            memory = driver.memory_info().rss / 2**20
            early_mb, peak_mb = early_mb or memory, max(peak_mb, memory)
    grader.finish()
    seconds, cpu_s = time.monotonic() - begin, time.process_time() - cpu_before
    peak_mb = max(peak_mb, driver.memory_info().rss / 2**20)
    grader.join()
    store.close()
    sandboxes.close()
    print(
        f"{count} rows on {len(cluster.nodes)} nodes: {count / seconds:.0f} rows/s; "
        f"{1e6 * cpu_s / count:.0f} us of the driver's CPU time per row; "
        f"{early_mb:.0f} MB after a tenth of the rows, {peak_mb:.0f} MB at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--nodes", type=int, default=2, help="nodes with one CPU each")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ray_cluster(args.nodes) as cluster:
        measure(cluster, args.rows, Path(name))


if __name__ == "__main__":
    main()
