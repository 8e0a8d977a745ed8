"""Grades a folder of real samples with known official verdicts, and prints the time per family of tasks.

usage: python benchmarks/parity_time.py FOLDER [--only TEXT] [--workers N]

FOLDER contains files such as multipl-e-cpp.2023-06.jsonl.gz: the task's name, and the version of its data unless that
is the default. Each line has the official verdict as `official`, which is compared with ours. Prints one line per file
and one per family; the last line is one JSON document. Images are built before the timing.
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
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run
from evalharness.pipeline.validate import prepare_task
from evalharness.sandbox.factory import open_sandbox

SUFFIX = ".jsonl.gz"
FIELDS = {"passed": "passed", "base_passed": "base"}
"""Fields of our verdicts, and those of official verdicts with the same meaning."""


def main() -> None:
    """Grades every file and prints the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="grade only files whose names contain this text")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    files = sorted(path for path in args.folder.glob(f"*{SUFFIX}") if args.only in path.name)
    configs = {path: config_of(path, args.workers) for path in files}
    open_sandbox("docker", args.workers, {}, print).prepare(
        sorted({prepare_task(config).context.image for config in configs.values()} - {""})
    )
    seconds: dict[str, float] = defaultdict(float)
    samples: dict[str, int] = defaultdict(int)
    for path, config in configs.items():
        grading_s, agreeing, total = grade(path, config)
        family = find_task(config.task)[0].family
        seconds[family] += grading_s
        samples[family] += total
        print(f"{path.name}: {grading_s:.1f} s, {agreeing} of {total} verdicts agree", flush=True)
    for family, family_s in seconds.items():
        print(f"{family}: {samples[family]} samples in {family_s:.1f} s")
    print(
        json.dumps(
            {"seconds": {family: round(family_s, 1) for family, family_s in seconds.items()}, "samples": samples}
        )
    )


def config_of(path: Path, workers: int) -> RunConfig:
    """The configuration for a file named TASK or TASK.VERSION."""
    task, _, version = path.name.removesuffix(SUFFIX).partition(".")
    options = {"samples": str(path)} | ({"version": version} if version else {})
    return RunConfig(task, "replay", workers=workers, options=options)


def grade(path: Path, config: RunConfig) -> tuple[float, int, int]:
    """Seconds of grading, number of verdicts that equal the official ones, and number of official verdicts."""
    with gzip.open(path, "rt") as lines:
        official = {(row["task_id"], row.get("sample_id", 0)): row["official"] for row in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(config, Path(folder) / "run")
        seconds = time.perf_counter() - start
        verdicts = (Path(folder) / "run" / "verdicts.jsonl").read_text().splitlines()
    agreeing = sum(agrees(row, official[row["task_id"], row["sample_id"]]) for row in map(json.loads, verdicts))
    return seconds, agreeing, len(official)


def agrees(ours: dict[str, Any], official: dict[str, Any]) -> bool:
    """Whether our verdict equals the official one in each field that the latter has."""
    return all(ours.get(our_name) == official[name] for our_name, name in FIELDS.items() if name in official)


if __name__ == "__main__":
    main()
