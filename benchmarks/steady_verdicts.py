"""Checks that verdicts do not depend on the machine's load: grades the same samples repeatedly, half of the times under
a load of four busy processes per core.

1,000 samples of HumanEval and HumanEval+: correct, wrong, slow (busy or asleep for up to two thirds of the time limit)
and hanging ones. No verdict may differ between any two gradings. Prints one line per grading and a JSON document.

    EVALHARNESS_DATA=... python benchmarks/steady_verdicts.py [--gradings 10] [--samples 1000]
"""

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.data.sources import parse_data_source

LOAD = 4
"""Busy processes per core."""
TASKS = ("humaneval", "humaneval-plus")
BUSY = """
import time as _time
_end = _time.process_time() + {0}
while _time.process_time() < _end: pass
"""
ASLEEP = "\nimport time as _time\n_time.sleep({0})\n"
KINDS = {
    "correct": (878, ""),
    "wrong": (70, "\n_real, {name} = {name}, lambda *args: None\n"),
    "slow, busy": (20, BUSY.format(1.2)),
    "slow, asleep": (20, ASLEEP.format(2.0)),
    "hangs, busy": (6, "\ndef {name}(*args):\n    while True: pass\n"),
    "hangs, asleep": (6, "\nimport time as _time\ndef {name}(*args): _time.sleep(1000)\n"),
}
"""By kind: number of samples in 1,000, and the code that is appended to the reference solution."""
Verdicts = dict[tuple[str, int], tuple[bool, str]]


def write_samples(task: str, folder: Path, number: int) -> Path:
    """Writes the same samples file every time: problems round robin, kinds shuffled with a fixed seed."""
    adapter, _ = open_task(task, parse_data_source(None), {})
    problems = list(adapter.problems())
    kinds = [kind for kind, (count, _) in KINDS.items() for _ in range(round(count * number / 1000))]
    random.Random(7).shuffle(kinds)
    path = folder / f"{task}.jsonl"
    with path.open("w") as file:
        for index, kind in enumerate(kinds):
            problem = problems[index % len(problems)]
            text = (problem.reference or "") + KINDS[kind][1].replace("{name}", problem.entry_point)
            row = {"task_id": problem.task_id, "sample_id": index // len(problems), "solution": text}
            file.write(json.dumps(row) + "\n")
    return path


def grade(task: str, samples: Path, folder: Path) -> Verdicts:
    """The verdicts of one `evalharness grade`."""
    out = tempfile.mkdtemp(dir=folder)
    command = [sys.executable, "-c", "from evalharness.cli.main import main; main()", "grade", "--task", task]
    subprocess.run([*command, "--samples", str(samples), "--out", out], check=True, capture_output=True)
    rows = [json.loads(line) for line in (Path(out) / "verdicts.jsonl").read_text().splitlines()]
    return {(f"{task} {row['task_id']}", row["sample_id"]): (row["passed"], row["status"]) for row in rows}


def spin() -> None:
    """Keeps a core busy."""
    while True:
        pass


@contextmanager
def load(times: int) -> Iterator[None]:
    """Runs this many busy processes per core inside the context."""
    processes = [multiprocessing.Process(target=spin, daemon=True) for _ in range(times * (os.cpu_count() or 1))]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def main() -> None:
    """Prints one line per grading and the JSON document; exits 1 if any verdict differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--gradings", type=int, default=10)
    parser.add_argument("--samples", type=int, default=1000)
    args = parser.parse_args()
    all_verdicts: list[Verdicts] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {task: write_samples(task, folder, args.samples // len(TASKS)) for task in TASKS}
        for number in range(args.gradings):
            loaded, started = number % 2 == 1, time.monotonic()
            verdicts: Verdicts = {}
            with load(LOAD if loaded else 0):
                for task, file in files.items():
                    verdicts |= grade(task, file, folder)
            all_verdicts.append(verdicts)
            differing = [key for key in verdicts if verdicts[key] != all_verdicts[0][key]]
            statuses = dict(Counter(status for _, status in verdicts.values()))
            seconds = time.monotonic() - started
            print(
                f"{number + 1}: {'loaded' if loaded else 'quiet':<7}{seconds:6.0f} s", statuses, differing, flush=True
            )
    differ = {key for verdicts in all_verdicts for key in verdicts if verdicts[key] != all_verdicts[0][key]}
    print(json.dumps({"gradings": args.gradings, "samples": len(all_verdicts[0]), "verdicts_that_differ": len(differ)}))
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
