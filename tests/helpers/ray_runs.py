"""Helpers for tests of runs on a Ray cluster."""

import json
import sys
from pathlib import Path
from typing import Any

from ray_nodes import Cluster

PROGRAM = str(Path(sys.executable).with_name("evalharness"))
TIMES = ("cpu_s", "wall_s", "peak_mb", "borderline", "started_at", "total_s", "first_output_s")


def rows(out: Path, name: str = "verdicts") -> list[dict[str, Any]]:
    """The rows of a run sorted by sample, without the fields that differ between equal runs."""
    path = out / f"{name}.jsonl"
    parsed = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = [{key: value for key, value in row.items() if key not in TIMES} for row in parsed]
    return sorted(kept, key=lambda row: (row["task_id"], row["sample_id"]))


def verdict_count(out: Path) -> int:
    """Number of verdicts written so far."""
    path = out / "verdicts.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def ray_arguments(cluster: Cluster) -> tuple[str, ...]:
    """The options that run a command on the cluster."""
    return ("--executor", "ray", "--ray-address", cluster.address)
