"""Makes a package of examples/ visible to `evalharness` as if it was installed."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

RunWithExample = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs `evalharness` with arguments; the first one names a folder of examples/ whose package is installed."""


def run_with(site: Path, example: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Runs `evalharness` in a process where the package of an example is installed. `site` is a new folder."""
    write_metadata(EXAMPLES / example, site)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES / example), str(site)])}
    words = [str(Path(sys.executable).with_name("evalharness")), *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)


def write_metadata(example: Path, site: Path) -> None:
    """Writes the metadata with which an installer would register the package's entry points."""
    project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
