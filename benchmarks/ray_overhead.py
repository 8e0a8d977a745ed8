"""Processor time per sample of grading one after the other: in this process, and on a Ray node of one processor.

Also what the processes cost when nothing is to do, per second: a node at work costs that as well. What runs in
containers is the same for both, and not counted.

    python benchmarks/ray_overhead.py --samples 300
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
from ray_nodes import Cluster, ray_cluster
from ray_scale import TASK, cluster_cpu_s, cpu_s

from evalharness.adapters import open_task
from evalharness.cluster.executor import connect
from evalharness.cluster.nodes import ClusterSandboxes
from evalharness.pipeline.grading import judge
from evalharness.pipeline.pipeline import RunConfig
from evalharness.records import Completion, Problem
from evalharness.sandbox.factory import open_sandbox

IDLE_S = 15.0


class Spent:
    """Processor time of driver, of what judges on the nodes and of Ray's own, since this was made or last told."""

    def __init__(self, cluster: Cluster | None):
        self.cluster = cluster
        self._last = self._now()

    def _now(self) -> tuple[float, ...]:
        return (time.monotonic(), cpu_s([psutil.Process()]), *cluster_cpu_s(self.cluster))

    def tell(self, what: str, count: int | None = None) -> None:
        """Prints it, per sample or else per second."""
        now = self._now()
        seconds, *spent = (new - old for new, old in zip(now, self._last, strict=True))
        driver, judging, ray = (1000 * each / (count or seconds) for each in spent)
        unit = "per sample" if count else "per second"
        print(f"{what}, {seconds:.1f} s, ms {unit}: driver {driver:.2f}, judging {judging:.2f}, Ray's own {ray:.2f}")
        self._last = self._now()


def here(problems: dict[str, Problem], completions: Sequence[Completion]) -> None:
    """Grades with the local engine's pool."""
    task, context = open_task(TASK, "sample", {})
    pool = open_sandbox("docker", 1, {}, print)
    pool.prepare([context.image])
    spent = Spent(None)
    with ThreadPoolExecutor(1) as threads:
        list(threads.map(lambda one: judge(task, problems[one.task_id], one, pool), completions))
    spent.tell("local", len(completions))
    pool.close()


def there(problems: dict[str, Problem], completions: Sequence[Completion], cluster: Cluster) -> None:
    """Grades with a node's, in chunks of two sizes."""
    import ray

    task, context = open_task(TASK, "sample", {})
    connect(cluster.address)
    config = RunConfig(TASK, "reference", workers=0, data="sample", engine="ray", ray_address=cluster.address)
    sandboxes = ClusterSandboxes(config, print, needed=True)
    sandboxes.prepare([context.image])
    spent = Spent(cluster)
    time.sleep(IDLE_S)
    spent.tell("a node without work")
    actor, sent = next(iter(sandboxes.nodes.values())).actor, ray.put((task, problems))
    for size in (32, 8):
        for begin in range(0, len(completions), size):
            ray.get(actor.judge.remote([sent], completions[begin : begin + size]))
        spent.tell(f"a node, chunks of {size}", len(completions))
    sandboxes.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300)
    given = parser.parse_args()
    task, _ = open_task(TASK, "sample", {})
    problems = {problem.task_id: problem for problem in task.problems()}
    every = list(problems.values())
    completions = [
        Completion(problem.task_id, number, problem.reference or "", form="solution")
        for number in range(given.samples)
        for problem in [every[number % len(every)]]
    ]
    here(problems, completions)
    with ray_cluster(1) as cluster:
        there(problems, completions, cluster)


if __name__ == "__main__":
    main()
