"""Time: grading a folder of real samples whose official verdicts are known, family by family.

usage: python benchmarks/parity_time.py FOLDER [--only TEXT] [--workers N]

FOLDER holds files such as multipl-e-cpp.2023-06.jsonl.gz: the task's name, and the data's version where it is not the
default one. Each line has `official`, which is compared with the verdict here. Prints one line per file and one per
family; the last line is one JSON document. Images are built before, and not timed.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from evalharness.data.cards import find_task
from evalharness.pipeline.pipeline import RunConfig, prepare, run
from evalharness.sandbox.factory import open_sandbox

SUFFIX = ".jsonl.gz"
PARTS = {"passed": "passed", "base_passed": "base"}
"""Fields of a verdict and of the official one."""


def main() -> None:
    """Grades every file and prints the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="files whose name has this in it")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    files = sorted(path for path in options.folder.glob(f"*{SUFFIX}") if options.only in path.name)
    configs = {path: config_of(path, options.workers) for path in files}
    open_sandbox("docker", options.workers, {}, print).prepare(
        sorted({prepare(config).context.image for config in configs.values()} - {""})
    )
    seconds: dict[str, float] = defaultdict(float)
    samples: dict[str, int] = defaultdict(int)
    for path, config in configs.items():
        took, agreeing, total = graded(path, config)
        family = find_task(config.task)[0].family
        seconds[family] += took
        samples[family] += total
        print(f"{path.name}: {took:.1f} s, {agreeing} of {total} verdicts agree", flush=True)
    for family, took in seconds.items():
        print(f"{family}: {samples[family]} samples in {took:.1f} s")
    print(json.dumps({"seconds": {family: round(took, 1) for family, took in seconds.items()}, "samples": samples}))


def config_of(path: Path, workers: int) -> RunConfig:
    """The run that a file's name stands for: TASK or TASK.VERSION."""
    task, _, version = path.name.removesuffix(SUFFIX).partition(".")
    options = {"samples": str(path)} | ({"version": version} if version else {})
    return RunConfig(task, "replay", workers=workers, options=options)


def graded(path: Path, config: RunConfig) -> tuple[float, int, int]:
    """Seconds that grading took, and how many of all official verdicts are ours as well."""
    with gzip.open(path, "rt") as lines:
        official = {(row["task_id"], row.get("sample_id", 0)): row["official"] for row in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(config, Path(folder) / "run")
        took = time.perf_counter() - start
        verdicts = (Path(folder) / "run" / "verdicts.jsonl").read_text().splitlines()
    agreeing = sum(agrees(row, official[row["task_id"], row["sample_id"]]) for row in map(json.loads, verdicts))
    return took, agreeing, len(official)


def agrees(ours: dict[str, Any], official: dict[str, Any]) -> bool:
    """Whether all that the official verdict says is so here."""
    return all(ours.get(name) == official[theirs] for name, theirs in PARTS.items() if theirs in official)


if __name__ == "__main__":
    main()
