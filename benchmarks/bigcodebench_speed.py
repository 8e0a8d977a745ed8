"""Grading speed beside BigCodeBench's own grader, on the reference solutions, in the same image, on two cores.

Runs ours, with two workers, and theirs in turn and prints seconds and ratios; the last line is one JSON document.
Theirs is `evaluate` of bigcodebench/evaluate.py with --execution local, twice: as the command runs by default on two
cores the first time (one worker, and the ground truth is computed before), and at its best (two workers, --no_gt). It
runs in a container of the image that ours uses; neither start-up nor imports of the grader are timed.

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
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from operator import truediv
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.adapters.bigcodebench import unsolvable
from evalharness.data.loading import resolve_source
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
}  # what fetches data, generates, or grades elsewhere
for name, contents in UNUSED.items():
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(contents)
from bigcodebench.evaluate import evaluate

started = time.perf_counter()
evaluate("complete", "full", "/work/samples.jsonl", execution="local", **json.loads(sys.argv[1]))
seconds = time.perf_counter() - started
graded = json.load(open("/work/samples_eval_results.json"))["eval"].values()
print(json.dumps([seconds, sum(each[0]["status"] == "pass" for each in graded)]))
"""
MODES = {"default": {"parallel": 1}, "best": {"parallel": WORKERS, "no_gt": True}}
"""The official command's settings; on two cores it takes one worker unless told otherwise."""


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
    with ThreadPoolExecutor(sandbox.threads) as threads:
        done = list(threads.map(sandbox.run, programs))
    passed = sum(one.parts["checks"].status == "passed" for one in done)
    return time.perf_counter() - started, passed


def official(checkout: Path, problems: list[Problem], settings: Mapping[str, object]) -> tuple[float, int]:
    """The same by the official grader."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        solutions = [{"task_id": one.task_id, "solution": one.reference} for one in problems]
        (folder / "problems.jsonl").write_text("".join(json.dumps(dict(one.record)) + "\n" for one in problems))
        (folder / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in solutions))
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
    """Prints a line per run and the JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--modes", default=",".join(MODES), help="which of theirs; the whole set takes long")
    asked = parser.parse_args()
    modes = {name: MODES[name] for name in asked.modes.split(",")}
    if "BIGCODEBENCH" not in os.environ:
        sys.exit("set BIGCODEBENCH to a checkout of bigcode-project/bigcodebench")
    checkout = Path(os.environ["BIGCODEBENCH"]).resolve()
    task, problems = chosen(asked.every)
    programs = [program_of(task, problem) for problem in problems]
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *modes)}
    with closing(ContainerPool(DockerEngine(), WORKERS)) as sandbox:
        sandbox.prepare([IMAGE])
        ours(sandbox, programs[: 2 * WORKERS])
        for _ in range(asked.runs):
            for name in seconds:
                took, passed = official(checkout, problems, modes[name]) if name in modes else ours(sandbox, programs)
                seconds[name].append(took)
                print(f"{name}: {took:.1f} s, {passed} of {len(programs)} passed", flush=True)
    medians = {name: round(statistics.median(each), 1) for name, each in seconds.items()}
    ratios = {name: round(statistics.median(map(truediv, seconds[name], seconds["ours"])), 2) for name in modes}
    print(json.dumps({"problems": len(programs), "seconds": medians, "times_as_fast_as": ratios}))


if __name__ == "__main__":
    main()
