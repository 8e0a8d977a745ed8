"""What a row costs the driver of a run on Ray, and what many rows do to its memory.

Everything that the driver does for a sample is done: it is written, put into a chunk, sent to a node, and its verdict
written. The node runs nothing: the completions say that their backend failed, so that they are judged at once, and the
driver is what is busy. Prints rows per second, its processor time per row, and its memory at a tenth and at most after.

    python benchmarks/ray_driver.py --rows 200000 --nodes 2
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
from ray_nodes import Cluster, ray_cluster
from ray_scale import TASK

from evalharness.adapters import open_task
from evalharness.cluster.executor import connect
from evalharness.cluster.grading import ClusterGrader
from evalharness.cluster.nodes import ClusterSandboxes
from evalharness.pipeline.pipeline import RunConfig
from evalharness.pipeline.store import Store
from evalharness.records import Completion, Problem


def completions(problems: list[Problem], count: int) -> Iterator[Completion]:
    """The official solutions in turn, as of a backend that failed."""
    for number in range(count):
        problem = problems[number % len(problems)]
        text = problem.reference or ""
        yield Completion(problem.task_id, number // len(problems), text, characters=len(text), error="as if")


def measure(cluster: Cluster, count: int, folder: Path) -> None:
    """Has so many rows judged, watching this process."""
    task, context = open_task(TASK, "sample", {})
    problems = {problem.task_id: problem for problem in task.problems()}
    connect(cluster.address)
    config = RunConfig(TASK, "reference", workers=0, data="sample", engine="ray", ray_address=cluster.address)
    sandboxes = ClusterSandboxes(config, print, needed=True)
    sandboxes.prepare([context.image])
    me, store = psutil.Process(), Store(folder / "run", {}, {})
    grader = ClusterGrader(task, problems, sandboxes, store.add_verdict, print)
    early = most = 0.0
    begin, before = time.monotonic(), time.process_time()
    for number, completion in enumerate(completions(list(problems.values()), count)):
        store.add_completion(replace(completion, error=""))
        grader.put(completion)
        if number % 1000 == 0 and number >= count / 10:
            memory = me.memory_info().rss / 2**20
            early, most = early or memory, max(most, memory)
    grader.finish()
    seconds, processor = time.monotonic() - begin, time.process_time() - before
    most = max(most, me.memory_info().rss / 2**20)
    grader.join()
    store.close()
    sandboxes.close()
    print(
        f"{count} rows on {len(cluster.nodes)} nodes: {count / seconds:.0f} rows/s; "
        f"{1e6 * processor / count:.0f} us of the driver's processor per row; "
        f"{early:.0f} MB at a tenth, {most:.0f} MB at most after"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--nodes", type=int, default=2, help="nodes of one processor")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ray_cluster(given.nodes) as cluster:
        measure(cluster, given.rows, Path(name))


if __name__ == "__main__":
    main()
