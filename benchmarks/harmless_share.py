"""Prints which share of honest samples is harmless, of all and of those that pass officially, and the time that takes.

    EVALHARNESS_DATA=DIR python benchmarks/harmless_share.py PARITY_DIR

PARITY_DIR has samples files with the key `official` in each row, one folder per model.
"""

import gzip
import json
import os
import sys
import time
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.records import Completion
from evalharness.sandbox.tampering.harmless import can_only_compute

FILES = {
    # task: (option `version`, file)
    "humaneval-plus": ("v0.1.9", "qwen2.5-coder-1.5b-base/humaneval-plus.v0.1.9.jsonl.gz"),
    "mbpp-plus": ("v0.1.0", "qwen2.5-coder-1.5b-base/mbpp-plus.v0.1.0.jsonl.gz"),
    "livecodebench": ("three", "o1-preview/livecodebench.jsonl.gz"),
    "bigcodebench": ("v0.1.0_hf", "qwen2.5-coder-1.5b-base/bigcodebench.jsonl.gz"),
    **{
        f"multipl-e-{code}": ("2023-06", f"qwen2.5-coder-1.5b-base/multipl-e-{code}.2023-06.jsonl.gz")
        for code in ("cpp", "java", "js", "php", "sh", "ts")
    },
}


def share(task: str, version: str, file: Path) -> str:
    """Returns the line of one samples file."""
    adapter, _ = open_task(task, Path(os.environ["EVALHARNESS_DATA"]), {"version": version})
    problems = {problem.task_id: problem for problem in adapter.problems()}
    harmless, passed, seconds, count = 0, [], 0.0, 0
    with gzip.open(file, "rt") as lines:
        for row in map(json.loads, lines):
            if row["task_id"] not in problems:
                continue
            if "completion" in row:
                sample = Completion(row["task_id"], 0, row["completion"], form="completion")
            else:
                sample = Completion(row["task_id"], 0, row["solution"], form="solution")
            program = adapter.program(problems[row["task_id"]], sample)
            if program is None:
                continue
            started = time.perf_counter()
            answer = can_only_compute(program)
            seconds += time.perf_counter() - started
            count += 1
            harmless += answer
            if row["official"]["passed"]:
                passed.append(answer)
    of_passed = sum(passed) / len(passed)
    shares = f"harmless {harmless / count:.1%}, of {len(passed)} that pass {of_passed:.1%}"
    return f"{task}: {count} samples, {shares}, {seconds / count * 1e3:.2f} ms each"


def main() -> None:
    """Prints one line per samples file."""
    for task, (version, name) in FILES.items():
        print(share(task, version, Path(sys.argv[1]) / name), flush=True)


if __name__ == "__main__":
    main()
