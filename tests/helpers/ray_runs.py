"""Runs on a cluster as their tests look at them."""

import json
import sys
from pathlib import Path
from typing import Any

from ray_nodes import Cluster

PROGRAM = str(Path(sys.executable).with_name("evalharness"))
TIMES = ("cpu_s", "wall_s", "peak_mb", "borderline", "started_at", "total_s", "first_output_s")


def rows(out: Path, name: str = "verdicts") -> list[dict[str, Any]]:
    """In the order of samples, without what differs from one run to the next."""
    path = out / f"{name}.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = [{key: value for key, value in row.items() if key not in TIMES} for row in found]
    return sorted(kept, key=lambda row: (row["task_id"], row["sample_id"]))


def written(out: Path) -> int:
    path = out / "verdicts.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def on(cluster: Cluster) -> tuple[str, ...]:
    return ("--engine", "ray", "--ray-address", cluster.address)
