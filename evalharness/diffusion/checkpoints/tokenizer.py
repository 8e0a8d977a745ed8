"""Reads a `tokenizer.json` with the `tokenizers` library alone, because importing transformers is slow."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from evalharness.errors import UserError


class FastTokenizer:
    """A tokenizer of the library `tokenizers`, with the methods of a transformers tokenizer that the backends use."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.added_tokens_decoder: Mapping[int, AddedToken] = tokenizer.get_added_tokens_decoder()
        self.all_special_ids = [number for number, token in self.added_tokens_decoder.items() if token.special]

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Returns the token ids of a text, as `input_ids`."""
        return {"input_ids": self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids}

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False, **_: bool) -> str:
        """Returns the text of token ids. Further keyword arguments of transformers are accepted and ignored."""
        return self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def get_vocab(self) -> dict[str, int]:
        """Returns a dict from each token, added tokens included, to its id."""
        return self.tokenizer.get_vocab()

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """Returns the id of a token; None if the vocabulary does not have it."""
        return self.tokenizer.token_to_id(token)

    def convert_ids_to_tokens(self, token_id: int) -> str | None:
        """Returns the token with this id; None if the vocabulary has no such id."""
        return self.tokenizer.id_to_token(token_id)


def read_tokenizer(folder: Path) -> FastTokenizer:
    """Returns the tokenizer of a checkpoint folder. Raises UserError if the folder has none."""
    path = folder / "tokenizer.json"
    try:
        return FastTokenizer(Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises no narrower class
        raise UserError(f"{path} cannot be read: {error}; give --model a checkpoint folder") from None
