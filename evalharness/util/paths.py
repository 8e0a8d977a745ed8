"""Paths of data folders that are installed with the package, such as task cards."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]

BUNDLED_NETWORK = _PACKAGE / "diffusion" / "bundled"
"""The folder of the bundled network: configuration, weights, tokenizer, model card and data card."""


def bundled(name: str) -> Path:
    """Returns a data folder of the package ("tasks", "sandboxes" or "results/published"), installed or in a checkout.

    Raises FileNotFoundError where neither has it, which is a broken installation.
    """
    for root in (_PACKAGE / "_bundled", _PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"evalharness is installed without its folder {name!r}; install it again")
