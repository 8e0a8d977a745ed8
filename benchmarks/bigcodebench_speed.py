"""Compares grading time with BigCodeBench's own grader: reference solutions, same image, two cores.

Runs our grading with two workers and the official grader alternately, and prints seconds and ratios; the last line is
one JSON document. The official grader is `evaluate` of bigcodebench/evaluate.py with --execution local, in two modes:
`default` as on two cores (one worker, with computation of the ground truth), and `best` (two workers, --no_gt). It runs
in a container of the same image. Start-up and imports are not timed.

    BIGCODEBENCH=CHECKOUT EVALHARNESS_DATA=DIR python benchmarks/bigcodebench_speed.py [--every 10] [--runs 3]

CHECKOUT is a folder with bigcode-project/bigcodebench at 47eff25a9933ba89eee755bcf2696c4f17160b54. `--every N` takes
every N-th problem. Problems that cannot be solved in the image are excluded, since they run into time limits.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from operator import truediv
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.adapters.bigcodebench import reference_failures_by_task_id
from evalharness.data.sources import parse_data_source
from evalharness.records import Completion, Problem, Program, Task
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.engines.images import image_tag
from evalharness.sandbox.pool import ContainerPool

WORKERS = 2
IMAGE = "bigcodebench"
OFFICIAL = """
import json, os, sys, time
from types import ModuleType

sys.path.insert(0, "/checkout")
os.environ["BIGCODEBENCH_OVERRIDE_PATH"] = "/work/problems.jsonl"
UNUSED = {
    "appdirs": {"user_cache_dir": lambda name: f"/tmp/{name}"},
    "bigcodebench.generate": {"run_codegen": None}, "datasets": {"load_dataset": None}, "e2b": {"Sandbox": None},
    "gradio_client": {"Client": None, "handle_file": None}, "httpx": {}, "tempdir": {}, "wget": {},
}  # modules for downloads, generation and remote grading
for name, contents in UNUSED.items():
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(contents)
from bigcodebench.evaluate import evaluate

started = time.perf_counter()
evaluate("complete", "full", "/work/samples.jsonl", execution="local", **json.loads(sys.argv[1]))
seconds = time.perf_counter() - started
graded = json.load(open("/work/samples_eval_results.json"))["eval"].values()
print(json.dumps([seconds, sum(samples[0]["status"] == "pass" for samples in graded)]))
"""
MODES = {"default": {"parallel": 1}, "best": {"parallel": WORKERS, "no_gt": True}}
"""Settings of the official command, whose default on two cores is one worker."""


def select_problems(every: int) -> tuple[Task, list[Problem]]:
    """The task, and every N-th of the problems that can be solved in the image."""
    task, _ = open_task("bigcodebench", parse_data_source(None), {"version": "v0.1.0_hf"})
    return task, [
        problem for problem in task.problems() if problem.task_id not in reference_failures_by_task_id(IMAGE)
    ][::every]


def program_of(task: Task, problem: Problem) -> Program:
    """The reference solution with its tests."""
    program = task.program(problem, Completion(problem.task_id, 0, problem.reference or "", form="solution"))
    assert program
    return program


def ours(sandbox: ContainerPool, programs: list[Program]) -> tuple[float, int]:
    """Seconds of our grading, and the number of passed programs."""
    started = time.perf_counter()
    with ThreadPoolExecutor(sandbox.threads) as threads:
        executions = list(threads.map(sandbox.run, programs))
    passed = sum(execution.parts["checks"].status == "passed" for execution in executions)
    return time.perf_counter() - started, passed


def official(checkout: Path, problems: list[Problem], settings: Mapping[str, object]) -> tuple[float, int]:
    """Seconds of the official grading, and the number of passed programs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        solutions = [{"task_id": problem.task_id, "solution": problem.reference} for problem in problems]
        (folder / "problems.jsonl").write_text("".join(json.dumps(dict(problem.record)) + "\n" for problem in problems))
        (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in solutions))
        (folder / "grade.py").write_text(OFFICIAL)
        command = ["docker", "run", "--rm", "--network", "none", "--cpus", str(WORKERS)]
        command += ["-v", f"{checkout}:/checkout:ro", "-v", f"{folder}:/work", "--entrypoint", "python3"]
        command += [image_tag(IMAGE), "/work/grade.py", json.dumps(settings)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the official grader failed:\n{done.stderr[-2000:]}")
    seconds, passed = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), int(passed)


def main() -> None:
    """Prints one line per run and the JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--modes",
        default=",".join(MODES),
        help="modes of the official grader, separated by commas; the whole set takes long",
    )
    args = parser.parse_args()
    modes = {name: MODES[name] for name in args.modes.split(",")}
    if "BIGCODEBENCH" not in os.environ:
        sys.exit("set BIGCODEBENCH to a checkout of bigcode-project/bigcodebench")
    checkout = Path(os.environ["BIGCODEBENCH"]).resolve()
    task, problems = select_problems(args.every)
    programs = [program_of(task, problem) for problem in problems]
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *modes)}
    with closing(ContainerPool(DockerEngine(), WORKERS)) as sandbox:
        sandbox.prepare([IMAGE])
        ours(sandbox, programs[: 2 * WORKERS])
        for _ in range(args.runs):
            for name in seconds:
                run_s, passed = official(checkout, problems, modes[name]) if name in modes else ours(sandbox, programs)
                seconds[name].append(run_s)
                print(f"{name}: {run_s:.1f} s, {passed} of {len(programs)} passed", flush=True)
    medians = {name: round(statistics.median(runs), 1) for name, runs in seconds.items()}
    ratios = {name: round(statistics.median(map(truediv, seconds[name], seconds["ours"])), 2) for name in modes}
    print(json.dumps({"problems": len(programs), "seconds": medians, "times_as_fast_as": ratios}))


if __name__ == "__main__":
    main()
