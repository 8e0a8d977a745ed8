"""Grading speed beside BigCodeBench's own grader, on the reference solutions, in the same image, two workers each.

Runs ours and theirs in turn and prints seconds and ratios; the last line is one JSON document. Theirs is its local
path (bigcodebench/evaluate.py `evaluate` with --execution local): a pool of processes that calls `untrusted_check` for
each sample. It runs in a container of the image that ours uses, started before the clock is.

    BIGCODEBENCH=CHECKOUT EVALHARNESS_DATA=DIR python benchmarks/bigcodebench_speed.py [--every 10] [--runs 3]

CHECKOUT is a folder with bigcode-project/bigcodebench at 47eff25a9933ba89eee755bcf2696c4f17160b54. `--every N` takes
every N-th problem; those that cannot be solved in the image are left out, for they wait for time limits.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.adapters.bigcodebench import unsolvable
from evalharness.data import resolve_source
from evalharness.records import Completion, Problem, Program, Task
from evalharness.sandbox.docker_engine import DockerEngine
from evalharness.sandbox.images import image_tag
from evalharness.sandbox.pool import ContainerPool

WORKERS = 2
IMAGE = "bigcodebench"
OFFICIAL = """
import json, sys, time
sys.path.insert(0, "/checkout")
import numpy, pandas
from concurrent.futures import ProcessPoolExecutor
from bigcodebench.eval import untrusted_check
rows = json.load(open("/work/rows.json"))
started = time.perf_counter()
with ProcessPoolExecutor(max_workers={workers}) as pool:
    limits = ("task_func", 30 * 1024, 30 * 1024, 10, 1, 20)
    jobs = [pool.submit(untrusted_check, row["solution"], row["test"], *limits) for row in rows]
    passed = [job.result()[0] == "pass" for job in jobs]
print(json.dumps([time.perf_counter() - started, sum(passed)]))
"""


def chosen(every: int) -> tuple[Task, list[Problem]]:
    """The task and every N-th problem of those that can be solved in the image."""
    task, _ = open_task("bigcodebench", resolve_source(None), {})
    return task, [problem for problem in task.problems() if problem.task_id not in unsolvable(IMAGE)][::every]


def program_of(task: Task, problem: Problem) -> Program:
    """The reference solution with its tests."""
    program = task.program(problem, Completion(problem.task_id, 0, problem.reference or "", form="solution"))
    assert program
    return program


def ours(sandbox: ContainerPool, programs: list[Program]) -> tuple[float, int]:
    """Seconds, and how many passed."""
    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as threads:
        done = list(threads.map(sandbox.run, programs))
    passed = sum(one.parts["checks"].status == "passed" for one in done)
    return time.perf_counter() - started, passed


def official(checkout: Path, programs: list[Program], folder: Path) -> tuple[float, int]:
    """The same by the official grader."""
    rows = [{"solution": one.source, "test": one.checks.text if one.checks else ""} for one in programs]
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "grade.py").write_text(OFFICIAL.format(workers=WORKERS))
    command = ["docker", "run", "--rm", "--network", "none", "--cpus", str(WORKERS)]
    command += ["-v", f"{checkout}:/checkout:ro", "-v", f"{folder}:/work", "--entrypoint", "python3"]
    done = subprocess.run([*command, image_tag(IMAGE), "/work/grade.py"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the official grader failed:\n{done.stderr[-2000:]}")
    seconds, passed = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), int(passed)


def main() -> None:
    """Prints a line per run and the JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    if "BIGCODEBENCH" not in os.environ:
        sys.exit("set BIGCODEBENCH to a checkout of bigcode-project/bigcodebench")
    checkout = Path(os.environ["BIGCODEBENCH"]).resolve()
    task, problems = chosen(asked.every)
    programs = [program_of(task, problem) for problem in problems]
    pairs = []
    with closing(ContainerPool(DockerEngine(), WORKERS)) as sandbox, tempfile.TemporaryDirectory() as name:
        sandbox.prepare([IMAGE])
        ours(sandbox, programs[: 2 * WORKERS])
        for _ in range(asked.runs):
            mine, theirs = ours(sandbox, programs), official(checkout, programs, Path(name))
            pairs.append((mine[0], theirs[0]))
            print(f"ours {mine[0]:.1f} s, {mine[1]} passed; official {theirs[0]:.1f} s, {theirs[1]} passed", flush=True)
    report = {
        "problems": len(programs),
        "workers": WORKERS,
        "ours_s": round(statistics.median(pair[0] for pair in pairs), 1),
        "official_s": round(statistics.median(pair[1] for pair in pairs), 1),
        "ratio": round(statistics.median(pair[1] / pair[0] for pair in pairs), 2),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
