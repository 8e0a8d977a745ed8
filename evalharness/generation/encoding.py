"""Tokenizes texts that a model continues: with the tokens that open a text (BOS), without those that end it (EOS)."""

from typing import Any, NamedTuple


class AddedSpecialTokens(NamedTuple):
    """The ids of the special tokens that a tokenizer adds to each text: before it (BOS), and after it (EOS)."""

    before: list[int]
    after: list[int]


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text that a model is to continue, without an EOS token at the end.

    Tokenizers with `add_eos_token` append an EOS token to each text; a model generates nothing useful after it.
    """
    ids = list(tokenizer(text)["input_ids"])
    closing = find_added_special_tokens(tokenizer).after
    return ids[: len(ids) - len(closing)] if closing and ids[-len(closing) :] == closing else ids


def find_added_special_tokens(tokenizer: Any) -> AddedSpecialTokens:
    """Returns the ids of the special tokens that a tokenizer adds before (BOS) and after (EOS) each text."""
    full, bare = list(tokenizer("a")["input_ids"]), encode_without_special_tokens(tokenizer, "a")
    starts = (start for start in range(len(full)) if full[start : start + len(bare)] == bare)
    start = next(starts, None)
    if start is None:
        return AddedSpecialTokens([], [])
    return AddedSpecialTokens(full[:start], full[start + len(bare) :])


def encode_without_special_tokens(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text, without special tokens before or after it (BOS, EOS)."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
