"""A run on this machine, and the same run on a Ray cluster whose driver and two of four nodes are killed.

Each node is a `ray start` process with one CPU on this machine. Nodes are killed after 20 % and 60 % of the rows, the
driver after 40 %; it is restarted at once. Prints a line per run, and how many rows differ from the local run, are lost
or are duplicated; the exit code is 1 if there are any.

    python benchmarks/ray_killed_nodes.py                      # all of humaneval-plus, from $EVALHARNESS_DATA
    python benchmarks/ray_killed_nodes.py --data sample --n 10
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray_nodes import Cluster, ray_cluster
from ray_scale import Rows

NODES = 4
TIMES = ("cpu_s", "wall_s", "peak_mb", "borderline")
"""Fields of a row that differ between equal runs."""
TIMEOUT_S = 3600.0
Process = subprocess.Popen[str]


def start(arguments: Sequence[str], out: Path) -> Process:
    """Starts or resumes a run."""
    program = Path(sys.executable).with_name("evalharness")
    command = [str(program), "run", *arguments, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait(run: Process) -> str:
    """The stderr of the run after its end. Raises RuntimeError if it failed."""
    _, stderr = run.communicate(timeout=TIMEOUT_S)
    if run.returncode:
        raise RuntimeError(f"the run ended with exit code {run.returncode}: {stderr[-2000:]}")
    return stderr


def wait_for(share: float, asked: int, rows: Rows, run: Process) -> None:
    """Waits until that share of the verdicts is written. Raises RuntimeError if the run ends before."""
    while rows.count() < share * asked:
        if run.poll() is not None:
            raise RuntimeError(f"the run ended at {rows.count()} of {asked} rows: {wait(run)}")
        time.sleep(0.02)


def run_with_kills(cluster: Cluster, arguments: Sequence[str], out: Path, asked: int) -> str:
    """Runs on the cluster and kills two nodes and the driver; returns what was killed at which row."""
    arguments = [*arguments, "--executor", "ray", "--ray-address", cluster.address]
    run, rows = start(arguments, out), Rows(out / "verdicts.jsonl")
    kills_done: list[str] = []
    messages: list[str] = []

    def kill_node() -> None:
        cluster.kill(cluster.nodes[0])

    def kill_driver() -> None:
        nonlocal run
        run.kill()
        messages.append(run.communicate()[1])
        run = start(arguments, out)

    kills: list[tuple[float, str, Callable[[], None]]] = [
        (0.2, "a node", kill_node), (0.4, "the driver", kill_driver), (0.6, "a node", kill_node),
    ]  # fmt: skip
    for share, what, kill in kills:
        wait_for(share, asked, rows, run)
        kills_done.append(f"{what} killed at row {rows.count()}")
        kill()
    messages.append(wait(run))
    noticed = sum(text.count(" is lost (") for text in messages)
    return f"{', '.join(kills_done)}; {noticed} nodes were lost during grading"


def read(out: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a file, without the fields that differ between equal runs."""
    rows = [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def compare(local: Path, other: Path, name: str) -> tuple[int, int, int]:
    """The number of rows of the other run that differ from the local run's, are lost, and are duplicated."""
    expected: dict[tuple[str, int], Any] = {}
    actual: dict[tuple[str, int], Any] = {}
    counts = Counter[tuple[str, int]]()
    for row in read(local, name):
        expected[row["task_id"], row["sample_id"]] = row
    for row in read(other, name):
        key = (row["task_id"], row["sample_id"])
        counts[key] += 1
        actual[key] = row
    differ = sum(actual[key] != expected.get(key) for key in actual)
    return differ, len(set(expected) - set(actual)), counts.total() - len(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="humaneval-plus")
    parser.add_argument("--data", default=None, help="source of the data, as for `evalharness run`")
    parser.add_argument("--limit", type=int, default=None, help="only the first N problems")
    parser.add_argument("--n", type=int, default=1, help="samples per problem")
    args = parser.parse_args()
    arguments = ["--task", args.task, "--backend", "reference", "--n", str(args.n)]
    arguments += ["--data", args.data] if args.data else []
    arguments += ["--limit", str(args.limit)] if args.limit else []
    bad = 0
    with tempfile.TemporaryDirectory() as name, ray_cluster(NODES) as cluster:
        local, other = Path(name) / "local", Path(name) / "ray"
        begin = time.monotonic()
        wait(start(arguments, local))
        asked = Rows(local / "verdicts.jsonl").count()
        print(f"local: {asked} samples in {time.monotonic() - begin:.0f} s", flush=True)
        begin = time.monotonic()
        kills = run_with_kills(cluster, arguments, other, asked)
        print(f"ray, {NODES} nodes: {asked} samples in {time.monotonic() - begin:.0f} s; {kills}", flush=True)
        for kind in ("completions", "verdicts"):
            differ, lost, duplicated = compare(local, other, kind)
            print(f"{kind}: {differ} differ, {lost} lost, {duplicated} duplicated", flush=True)
            bad += differ + lost + duplicated
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
