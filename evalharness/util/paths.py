"""Paths of data folders that are installed with the package, such as task cards."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]

BUNDLED_NETWORK = _PACKAGE / "diffusion" / "bundled"
"""The folder of the bundled network: configuration, weights, tokenizer, model card and data card."""


def bundled_folder(relative_path: str) -> Path:
    """Returns the path of a data folder that is installed with the package: tasks, sandboxes or results/published.

    Raises FileNotFoundError if neither the installed package nor its source checkout has it.
    """
    for root in (_PACKAGE / "_bundled", _PACKAGE.parent):
        if (root / relative_path).is_dir():
            return root / relative_path
    raise FileNotFoundError(
        f"the installation of evalharness lacks its folder {relative_path!r}; install evalharness again"
    )
