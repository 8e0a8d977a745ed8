"""CPU time per sample of grading one sample at a time: in this process, and on a Ray node with one CPU.

Also the CPU time per second of an idle node, which a busy node spends, too. What runs in containers is the same for
both and is not counted.

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
from evalharness.cluster.executor import connect_to_ray
from evalharness.cluster.nodes import ClusterSandboxes
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.grading import grade_completion
from evalharness.records import Completion, Problem
from evalharness.sandbox.factory import open_sandbox

IDLE_S = 15.0


class CpuTimer:
    """CPU time of the driver, of grading processes on the nodes and of Ray's processes since the last report."""

    def __init__(self, cluster: Cluster | None):
        self.cluster = cluster
        self._last = self._now()

    def _now(self) -> tuple[float, ...]:
        return (time.monotonic(), cpu_s([psutil.Process()]), *cluster_cpu_s(self.cluster))

    def report(self, name: str, count: int | None = None) -> None:
        """Prints the CPU time per sample, or per second without `count`."""
        now = self._now()
        seconds, *spent = (new - old for new, old in zip(now, self._last, strict=True))
        driver, grading, ray = (1000 * cpu_s / (count or seconds) for cpu_s in spent)
        unit = "per sample" if count else "per second"
        print(f"{name}, {seconds:.1f} s, CPU ms {unit}: driver {driver:.2f}, grading {grading:.2f}, Ray {ray:.2f}")
        self._last = self._now()


def grade_locally(problems: dict[str, Problem], completions: Sequence[Completion]) -> None:
    """Grades with a sandbox pool in this process."""
    task, context = open_task(TASK, "sample", {})
    pool = open_sandbox("docker", 1, {}, print)
    pool.prepare([context.image])
    timer = CpuTimer(None)
    with ThreadPoolExecutor(1) as threads:
        list(
            threads.map(
                lambda completion: grade_completion(task, problems[completion.task_id], completion, pool), completions
            )
        )
    timer.report("local", len(completions))
    pool.close()


def grade_on_node(problems: dict[str, Problem], completions: Sequence[Completion], cluster: Cluster) -> None:
    """Grades on a node, in chunks of two sizes."""
    import ray

    task, context = open_task(TASK, "sample", {})
    connect_to_ray(cluster.address)
    config = RunConfig(TASK, "reference", workers=0, data="sample", executor="ray", ray_address=cluster.address)
    sandboxes = ClusterSandboxes(config, print, sandbox_needed=True)
    sandboxes.prepare([context.image])
    timer = CpuTimer(cluster)
    time.sleep(IDLE_S)
    timer.report("idle node")
    actor, task_reference = next(iter(sandboxes.nodes.values())).actor, ray.put((task, problems))
    for size in (32, 8):
        for begin in range(0, len(completions), size):
            ray.get(actor.grade_completions.remote([task_reference], completions[begin : begin + size]))
        timer.report(f"node, chunks of {size}", len(completions))
    sandboxes.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300)
    args = parser.parse_args()
    task, _ = open_task(TASK, "sample", {})
    problems = {problem.task_id: problem for problem in task.problems()}
    problem_list = list(problems.values())
    completions = [
        Completion(problem.task_id, number, problem.reference or "", form="solution")
        for number in range(args.samples)
        for problem in [problem_list[number % len(problem_list)]]
    ]
    grade_locally(problems, completions)
    with ray_cluster(1) as cluster:
        grade_on_node(problems, completions, cluster)


if __name__ == "__main__":
    main()
