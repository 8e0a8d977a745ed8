"""Tokenizes texts that a model continues: with the tokens that open a text (BOS), without those that end it (EOS)."""

from typing import Any


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text for a model to continue, without a trailing EOS token.

    Tokenizers with `add_eos_token` append an EOS token to each text, after which a model generates nothing useful.
    """
    ids = list(tokenizer(text)["input_ids"])
    _, closing = added_special_tokens(tokenizer)
    return ids[: len(ids) - len(closing)] if closing and ids[-len(closing) :] == closing else ids


def added_special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Returns the ids of the special tokens that a tokenizer adds: before each text (BOS), and after it (EOS)."""
    full, bare = list(tokenizer("a")["input_ids"]), encode_without_special_tokens(tokenizer, "a")
    starts = (start for start in range(len(full)) if full[start : start + len(bare)] == bare)
    start = next(starts, None)
    return ([], []) if start is None else (full[:start], full[start + len(bare) :])


def encode_without_special_tokens(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text, without special tokens before or after it (BOS, EOS)."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
