"""Finds the data files that come with a task card: beside it, or in a Python package."""

from importlib.resources import files
from pathlib import Path

from evalharness.errors import UserError


def paths_of_shipped_data(card_folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Returns the paths of the data files that come with a task card.

    `names` is the value of the card's key `shipped`: paths relative to `card_folder`, or PACKAGE:PATH for a file in a
    Python package. Raises UserError for a package that is not installed.
    """
    return [_path_of_shipped_file(card_folder, name) for name in names]


def _path_of_shipped_file(card_folder: Path, name: str) -> Path:
    package, colon, inner = name.partition(":")
    if not colon or not package.replace(".", "").isidentifier():
        return card_folder / name
    try:
        return Path(str(files(package).joinpath(inner)))
    except ModuleNotFoundError:
        raise UserError(
            f"a task card in {card_folder} uses data of the package {package}, which is not installed; install the "
            "package"
        ) from None
