"""Measures the time that reports of 60 runs of 20 tasks each take: `leaderboard` and `frontier` in every format.

Writes run directories (summaries and manifests) to a temporary folder, and runs the installed commands, including the
start of Python. Prints wall time, which other work on the machine increases, and CPU time.
Usage: python benchmarks/report_speed.py [--runs 60] [--tasks 20]
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from evalharness.data.cards import task_groups
from evalharness.metrics.intervals import wilson_interval

LIMIT_S = 5.0
PROBLEMS = 164


def make_runs(folder: Path, runs: int, tasks: int) -> None:
    """Writes runs of models on each task. A third are of diffusion models, with a swept threshold."""
    rng = random.Random(0)
    names = task_groups()["all"][:tasks]
    for number in range(runs):
        diffusion, model = number % 3 == 0, number // 5
        rate, tokens_per_s = rng.uniform(0.2, 0.9), 10 ** rng.uniform(1, 3)
        for task in names:
            make_run(folder / f"{number}" / task, task, f"org/model-{model}", diffusion, 0.5 + 0.1 * (number % 5),
                     min(0.99, rate * rng.uniform(0.7, 1.1)), tokens_per_s * rng.uniform(0.9, 1.1))  # fmt: skip


def make_run(
    folder: Path, task: str, model: str, diffusion: bool, threshold: float, rate: float, tokens_per_s: float
) -> None:
    """Writes a run directory with what the reports read."""
    passed, tokens = round(rate * PROBLEMS), 100 * PROBLEMS
    backend = {"name": "diffusion" if diffusion else "transformers", "model": model, "device": "cuda:0",
               "dtype": "bfloat16", "options": {"threshold": threshold}}  # fmt: skip
    conditions = {"hardware": "NVIDIA H100 80GB HBM3", "dtype": "bfloat16"}
    summary: dict[str, Any] = {
        "task": task, "backend": backend["name"], "model": model, "recipe": "completion", "version": "v1",
        "split": None, "options": {}, "note": "", "official_data": True,
        "problems": PROBLEMS, "problems_of_task": PROBLEMS,
        "samples": PROBLEMS, "asked": PROBLEMS, "statuses": {"passed": passed, "failed": PROBLEMS - passed},
        "metrics": {"pass@1": {"value": passed / PROBLEMS, "ci95": wilson_interval(passed, PROBLEMS)}},
        "speed": {"requests": PROBLEMS, "generation_s": tokens / tokens_per_s, "output_tokens": tokens, "batch": 1,
                  "output_tokens_per_s": tokens_per_s,
                  "output_tokens_per_s_ci95": [0.95 * tokens_per_s, 1.05 * tokens_per_s],
                  "steady": {"output_tokens_per_s": tokens_per_s, "concurrency": 1}, "conditions": conditions},
    }  # fmt: skip
    config = {"task": {"name": task}, "backend": backend, "sampling": {"temperature": 0.0, "seed": 0},
              "samples": {"n": 1, "limit": None}}  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"config": config, "environment": {}}))
    (folder / "summary.json").write_text(json.dumps(summary))


def cpu_s() -> float:
    """Returns the CPU seconds of all finished commands."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Prints the seconds of each command; returns 1 if one takes longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="Folder for the runs and reports. [default: a temporary one]")
    arguments = parser.parse_args()
    program = str(Path(sys.executable).with_name("evalharness"))
    slowest = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        make_runs(folder / "runs", arguments.runs, arguments.tasks)
        reports = [("leaderboard", name) for name in ("a.md", "a.csv", "a.tex", "a.html")]
        reports += [("frontier", name) for name in ("a.png", "a.svg", "a.html")]
        for command, name in reports:
            started_at, cpu_before = time.perf_counter(), cpu_s()
            out = folder / f"{command}-{name}"
            subprocess.run([program, command, str(folder / "runs"), "--out", str(out)], check=True, capture_output=True)
            seconds, cpu = time.perf_counter() - started_at, cpu_s() - cpu_before
            slowest = max(slowest, seconds)
            size = out.stat().st_size / 1024
            print(f"{command:12} {name:8} {seconds:6.2f} s   CPU {cpu:5.2f} s   {size:9.0f} KiB")
    print(
        json.dumps(
            {"runs": arguments.runs, "tasks": arguments.tasks, "slowest_s": round(slowest, 2), "limit_s": LIMIT_S}
        )
    )
    return int(slowest > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
