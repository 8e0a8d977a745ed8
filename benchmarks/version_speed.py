"""Grading speed of this version beside another installed one, on the reference solutions, whole commands, same machine.

Runs `evalharness grade` of both in alternating order, with two workers each, after one run of both that fills their
caches of expected outputs, and prints medians in seconds, and the geometric mean of the ratios of neighbouring runs
with a 95 % interval (t distribution of the logarithms), which a machine that is slow for a while does not change.

    EVALHARNESS_DATA=DIR python benchmarks/version_speed.py OTHER/.venv/bin/evalharness [--runs 5] [--tasks NAME,...]
                                                                                        [--sandbox bubblewrap]

With `--sandbox bubblewrap` the sandbox is a child of the command, so that `chrt -r 5` before `python` gives all of it
real-time priority and other work of the machine does not matter.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grading_speed import WORKERS, prepare
from scipy import stats

OWN = Path(sys.executable).with_name("evalharness")


def seconds(command: Path, task: str, samples: Path, folder: Path, sandbox: str) -> float:
    """Returns the seconds of one `evalharness grade` into a new directory. Exits where the command fails."""
    words = [
        str(command),
        "grade",
        "--task",
        task,
        "--samples",
        str(samples),
        "--workers",
        str(WORKERS),
        "--sandbox",
        sandbox,
    ]
    started = time.perf_counter()
    done = subprocess.run([*words, "--out", tempfile.mkdtemp(dir=folder)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command} grade --task {task} failed: {done.stderr[-1000:]}")
    return time.perf_counter() - started


def main() -> None:
    """Prints one line per task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tasks", default="humaneval,humaneval-plus,mbpp-plus")
    parser.add_argument("--sandbox", default="docker", choices=("docker", "bubblewrap"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task in args.tasks.split(","):
            samples, _ = prepare(task, folder)
            times: dict[Path, list[float]] = {OWN: [], args.other: []}
            for number in range(args.runs + 1):
                for command in (OWN, args.other) if number % 2 else (args.other, OWN):
                    took = seconds(command, task, samples, folder, args.sandbox)
                    if number:
                        times[command].append(took)
            own, other = statistics.median(times[OWN]), statistics.median(times[args.other])
            logarithms = [math.log(mine / theirs) for mine, theirs in zip(*times.values(), strict=True)]
            mean, error = statistics.mean(logarithms), stats.sem(logarithms)
            interval = stats.t.interval(0.95, len(logarithms) - 1, mean, error)
            ratio, low, high = map(math.exp, (mean, *interval))
            print(
                f"{task}: this version {own:.2f} s, the other {other:.2f} s, ratio {ratio:.3f} [{low:.3f}, {high:.3f}]",
                flush=True,
            )


if __name__ == "__main__":
    main()
