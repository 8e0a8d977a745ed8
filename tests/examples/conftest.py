"""Makes an example's package visible to `evalharness` as if it was installed."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs `evalharness` with arguments in a process where the package of `example` is installed."""


@pytest.fixture
def run_with(tmp_path: Path) -> Run:
    def run(example: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        site = install(EXAMPLES / example, tmp_path / f"{example}-site")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES / example), str(site)])}
        words = [str(Path(sys.executable).with_name("evalharness")), *map(str, arguments)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)

    return run


def install(example: Path, site: Path) -> Path:
    """Writes the metadata with which an installer would register the package's entry points, and returns `site`."""
    project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    name = f"{project['name'].replace('-', '_')}-{project['version']}"
    info = site / f"{name}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    return site
