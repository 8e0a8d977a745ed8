"""The source of benchmark data: a folder, the hub or the bundled sample."""

import os
from pathlib import Path
from typing import Literal

from evalharness.errors import UserError

DataSource = Path | Literal["hub", "sample"]
"""A data folder, the Hugging Face hub (for EvalPlus, its release files), or the bundled sample."""


DataSources = DataSource | tuple[Path, ...]
"""A source, or several data folders, each of which may have the data of some tasks (`versions.choose_data_source`)."""


def parse_data_source(data_option: str | None) -> DataSources:
    """Returns the data source in `data_option` (the value of `--data`), else in `$EVALHARNESS_DATA`, else the hub.

    Either value may list several folders, separated by colons as in $PATH. Raises UserError for a folder that does not
    exist.
    """
    name = data_option or os.environ.get("EVALHARNESS_DATA") or "hub"
    if name == "hub":
        return "hub"
    if name == "sample":
        return "sample"
    folders = [Path(name).expanduser()]
    if os.pathsep in name and not folders[0].is_dir():
        folders = [Path(part).expanduser() for part in name.split(os.pathsep) if part]
    for folder in folders:
        check_data_folder(folder)
    resolved = tuple(folder.resolve() for folder in folders)
    return resolved if len(resolved) > 1 else resolved[0]


def check_data_folder(folder: Path) -> None:
    """Raises UserError if a folder of benchmark data does not exist."""
    if not folder.is_dir():
        raise UserError(
            f"data folder {folder} (--data or $EVALHARNESS_DATA) does not exist; give another, or use --data hub or "
            "--data sample"
        )
