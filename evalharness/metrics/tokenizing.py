"""A tokenizer common to all models, so that no model is fast or slow by the size of its vocabulary."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evalharness.errors import UserError
from evalharness.util.paths import BUNDLED_NETWORK

BUNDLED = BUNDLED_NETWORK / "tokenizer.json"
BUNDLED_NAME = "bundled-"
"""How the bundled one's name begins; a digest of its contents follows."""


@dataclass(frozen=True)
class CommonTokenizer:
    """How many tokens a text has, by a tokenizer of that name."""

    name: str
    count: Callable[[str], int]


def common_tokenizer(given: str | None = None) -> CommonTokenizer | None:
    """The tokenizer at a path (a file, or a folder with a tokenizer.json) or of a hub id; else the bundled one, if any.

    Raises UserError where the given one cannot be loaded.
    """
    if given is None and not BUNDLED.exists():
        return None
    from tokenizers import Tokenizer

    path = Path(given).expanduser() if given else BUNDLED
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        loaded = Tokenizer.from_file(str(file)) if path.exists() else Tokenizer.from_pretrained(str(given))
    except Exception as error:  # the library raises bare exceptions; all of them mean that there is no tokenizer
        why = " ".join(str(error).split())[:200].rstrip(".")
        raise UserError(f"cannot load --tokenizer {given or file}: {why}; give a tokenizer.json, or a hub id") from None
    # The bundled one may differ between releases, and counts by different ones must not be taken for alike.
    name = given or f"{BUNDLED_NAME}{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
    return CommonTokenizer(name, lambda text: len(loaded.encode(text, add_special_tokens=False).ids))
