"""Where data are loaded from."""

import os
from pathlib import Path
from typing import Literal

from evalharness.errors import UserError

DataSource = Path | Literal["hub", "sample"]
"""A data folder, the Hugging Face hub (for EvalPlus, its release files), or the bundled sample."""


def resolve_source(option: str | None) -> DataSource:
    """Returns the source that `--data` names, else that of `$EVALHARNESS_DATA`, else the hub.

    Raises UserError for a folder that does not exist.
    """
    name = option or os.environ.get("EVALHARNESS_DATA") or "hub"
    if name == "hub":
        return "hub"
    if name == "sample":
        return "sample"
    folder = Path(name).expanduser()
    check_data_folder(folder)
    return folder.resolve()


def check_data_folder(folder: Path) -> None:
    """Raises UserError if the data folder does not exist."""
    if not folder.is_dir():
        raise UserError(f"data folder {folder} does not exist; name one that does, or use --data hub or sample")
