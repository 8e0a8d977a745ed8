"""Paths of data folders that are installed with the package, such as task cards."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]

BUNDLED_NETWORK = _PACKAGE / "diffusion" / "bundled"
"""The folder of the bundled network: configuration, weights, tokenizer, model card and data card."""


def bundled(name: str) -> Path:
    """Returns the path of a data folder of this package: "tasks", "sandboxes" or "results/published".

    Raises FileNotFoundError if neither the installed package nor its source checkout has it.
    """
    for root in (_PACKAGE / "_bundled", _PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"the installation of evalharness lacks its folder {name!r}; install evalharness again")
