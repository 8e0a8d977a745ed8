"""A tokenizer common to all models, so that tokens/s does not depend on the size of a model's vocabulary."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evalharness.errors import UserError
from evalharness.util.paths import BUNDLED_NETWORK

BUNDLED = BUNDLED_NETWORK / "tokenizer.json"
BUNDLED_NAME = "bundled-"
"""The beginning of the bundled tokenizer's name; a digest of its contents follows."""


@dataclass(frozen=True)
class CommonTokenizer:
    """The tokenizer that counts the output tokens of all models, so that their tokens/s are comparable."""

    name: str
    count: Callable[[str], int]
    """Returns the number of tokens of a text."""


def load_common_tokenizer(path_or_id: str | None = None) -> CommonTokenizer | None:
    """Loads the tokenizer that `path_or_id` names; without `path_or_id`, the bundled tokenizer.

    `path_or_id` is an id on the Hugging Face Hub, or the path of a tokenizer.json or of its folder. Returns None if
    `path_or_id` is None and no tokenizer is bundled. Raises UserError if the tokenizer cannot be loaded.
    """
    if path_or_id is None and not BUNDLED.exists():
        return None
    from tokenizers import Tokenizer

    path = Path(path_or_id).expanduser() if path_or_id else BUNDLED
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        loaded = Tokenizer.from_file(str(file)) if path.exists() else Tokenizer.from_pretrained(str(path_or_id))
    except Exception as error:  # The library raises bare exceptions for every reason.
        why = " ".join(str(error).split())[:200].rstrip(".")
        raise UserError(
            f"cannot load --tokenizer {path_or_id or file}: {why}; give the path of a tokenizer.json, or an id on the "
            "Hugging Face Hub"
        ) from None
    # The bundled tokenizer may change between releases, and counts by different tokenizers must not be compared.
    name = path_or_id or f"{BUNDLED_NAME}{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
    # The library refuses unpaired surrogates.
    return CommonTokenizer(
        name, lambda text: len(loaded.encode(_without_surrogates(text), add_special_tokens=False).ids)
    )


def _without_surrogates(text: str) -> str:
    return text.encode(errors="replace").decode()
