"""Packages that register entry points, as an installer would put them into a site folder."""

from collections.abc import Mapping
from pathlib import Path


def install(site: Path, name: str, files: Mapping[str, str], points: Mapping[str, Mapping[str, str]]) -> None:
    """Writes the files of a package, by their paths, and the metadata with its entry points, by their groups."""
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups = (
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for group, values in points.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
