"""Encodes texts that a model continues: with the special tokens that open a text, without those that end one."""

from typing import Any


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text that is to be continued.

    A tokenizer with `add_eos_token` ends every text with the end token, after which a model has nothing to say.
    """
    ids = list(tokenizer(text)["input_ids"])
    _, closing = added_tokens(tokenizer)
    return ids[: len(ids) - len(closing)] if closing and ids[-len(closing) :] == closing else ids


def added_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Returns the tokens that the tokenizer adds before every text, such as a begin-of-sequence token, and after it."""
    full, bare = list(tokenizer("a")["input_ids"]), encode_bare(tokenizer, "a")
    starts = (start for start in range(len(full)) if full[start : start + len(bare)] == bare)
    start = next(starts, None)
    return ([], []) if start is None else (full[:start], full[start + len(bare) :])


def encode_bare(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text without special tokens around it."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
