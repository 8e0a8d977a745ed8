"""A run by the local engine, and the same on a Ray cluster of four nodes of which two are killed, and once the driver.

Each node is a `ray start` of its own with one processor, on this machine. Nodes are killed when a fifth and when three
fifths of the rows are there, the driver at two fifths; it is started again at once. Prints a line per run, and how many
rows differ from the local engine's, are lost, or are doubled; the exit code is 1 if any is.

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
"""Fields of a row that differ from one run to the next."""
LONGEST_S = 3600.0
Process = subprocess.Popen[str]


def start(words: Sequence[str], out: Path) -> Process:
    """Begins a run, or goes on with it."""
    program = Path(sys.executable).with_name("evalharness")
    command = [str(program), "run", *words, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def end(run: Process) -> str:
    """What the run said. Raises RuntimeError where it failed."""
    _, said = run.communicate(timeout=LONGEST_S)
    if run.returncode:
        raise RuntimeError(f"the run ended with exit code {run.returncode}: {said[-2000:]}")
    return said


def wait_for(share: float, asked: int, rows: Rows, run: Process) -> None:
    """Returns when that share of the verdicts is written. Raises RuntimeError where the run ends before."""
    while rows.count() < share * asked:
        if run.poll() is not None:
            raise RuntimeError(f"the run ended at {rows.count()} of {asked} rows: {end(run)}")
        time.sleep(0.02)


def disturbed(cluster: Cluster, words: Sequence[str], out: Path, asked: int) -> str:
    """Runs on the cluster, of which it kills two nodes, and the driver between them; what was disturbed when."""
    words = [*words, "--engine", "ray", "--ray-address", cluster.address]
    run, rows = start(words, out), Rows(out / "verdicts.jsonl")
    told: list[str] = []
    said: list[str] = []

    def kill_node() -> None:
        cluster.kill(cluster.nodes[0])

    def kill_driver() -> None:
        nonlocal run
        run.kill()
        said.append(run.communicate()[1])
        run = start(words, out)

    kills: list[tuple[float, str, Callable[[], None]]] = [
        (0.2, "a node", kill_node), (0.4, "the driver", kill_driver), (0.6, "a node", kill_node),
    ]  # fmt: skip
    for share, what, kill in kills:
        wait_for(share, asked, rows, run)
        told.append(f"{what} killed at {rows.count()}")
        kill()
    said.append(end(run))
    noticed = sum(text.count(" is lost (") for text in said)
    return f"{', '.join(told)}; {noticed} nodes lost at work"


def read(out: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a file, without what differs from one run to the next."""
    rows = [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def compare(local: Path, other: Path, name: str) -> tuple[int, int, int]:
    """How many of the local run's rows are different in the other, are lost there, and are doubled there."""
    wanted: dict[tuple[str, int], Any] = {}
    found: dict[tuple[str, int], Any] = {}
    counts = Counter[tuple[str, int]]()
    for row in read(local, name):
        wanted[row["task_id"], row["sample_id"]] = row
    for row in read(other, name):
        key = (row["task_id"], row["sample_id"])
        counts[key] += 1
        found[key] = row
    differ = sum(found[key] != wanted.get(key) for key in found)
    return differ, len(set(wanted) - set(found)), counts.total() - len(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="humaneval-plus")
    parser.add_argument("--data", default=None, help="as of `run`")
    parser.add_argument("--limit", type=int, default=None, help="only the first N problems")
    parser.add_argument("--n", type=int, default=1, help="samples per problem")
    given = parser.parse_args()
    words = ["--task", given.task, "--backend", "reference", "--n", str(given.n)]
    words += ["--data", given.data] if given.data else []
    words += ["--limit", str(given.limit)] if given.limit else []
    bad = 0
    with tempfile.TemporaryDirectory() as name, ray_cluster(NODES) as cluster:
        local, other = Path(name) / "local", Path(name) / "ray"
        begin = time.monotonic()
        end(start(words, local))
        asked = Rows(local / "verdicts.jsonl").count()
        print(f"local: {asked} samples in {time.monotonic() - begin:.0f} s", flush=True)
        begin = time.monotonic()
        told = disturbed(cluster, words, other, asked)
        print(f"ray, {NODES} nodes: {asked} samples in {time.monotonic() - begin:.0f} s; {told}", flush=True)
        for kind in ("completions", "verdicts"):
            differ, lost, doubled = compare(local, other, kind)
            print(f"{kind}: {differ} differ, {lost} lost, {doubled} doubled", flush=True)
            bad += differ + lost + doubled
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
