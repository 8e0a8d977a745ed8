"""Infilling formats: token ids and texts of each model family."""

from typing import Any

import pytest
from helpers.infilling_models import (
    PREFIX,
    QWEN,
    SUFFIX,
    byte_level,
    infilling_request,
    sentencepiece_like,
)  # fmt: skip

from evalharness.errors import UserError
from evalharness.generation.infilling import find_infilling_encoder
from evalharness.generation.infilling_formats import FORMAT_NAMES, FORMATS, find_infilling_format

BYTE_LEVEL = {
    "qwen": QWEN,
    "codegemma": ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_separator|>"),
    "starcoder": ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<|endoftext|>", "<file_sep>"),
    "santacoder": ("<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>", "<|endoftext|>"),
    "deepseek": ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "<｜end▁of▁sentence｜>"),
}
ORDER = {
    "qwen": "<|fim_prefix|> P <|fim_suffix|> S <|fim_middle|>",
    "codegemma": "<|fim_prefix|> P <|fim_suffix|> S <|fim_middle|>",
    "starcoder": "<fim_prefix> P <fim_suffix> S <fim_middle>",
    "santacoder": "<fim-prefix> P <fim-suffix> S <fim-middle>",
    "deepseek": "<｜fim▁begin｜> P <｜fim▁hole｜> S <｜fim▁end｜>",
}
"""The layout as the documentation of each family writes it; P and S stand for prefix and suffix."""


def ids(tokenizer: Any, *tokens: str) -> list[int]:
    return [tokenizer.get_vocab()[token] for token in tokens]


@pytest.mark.parametrize("family", BYTE_LEVEL)
def test_token_ids_with_byte_level_tokenizers(family: str) -> None:
    """Also where the texts begin and end with blanks, or inside a word."""
    tokenizer = byte_level(*BYTE_LEVEL[family])
    infilling = find_infilling_encoder(tokenizer, "auto")
    assert infilling is not None
    assert infilling.format.name == family
    for prefix, suffix in ((PREFIX, SUFFIX), ("x = fo", "o\n"), ("", "x"), ("x\n    ", "")):
        texts = {"P": tokenizer(prefix).input_ids, "S": tokenizer(suffix).input_ids}
        parts = [
            texts.get(word) or ids(tokenizer, word) if word not in texts else texts[word]
            for word in ORDER[family].split()
        ]
        assert infilling.encode(prefix, suffix) == [number for part in parts for number in part]
    written = "".join({"P": PREFIX, "S": SUFFIX}.get(word, word) for word in ORDER[family].split())
    assert tokenizer(written).input_ids == infilling.encode(PREFIX, SUFFIX)
    assert find_infilling_format(family).format_prompt(PREFIX, SUFFIX) == written


def test_token_ids_of_codellama() -> None:
    """A begin token, a space before the prefix, none before the suffix: llama/generation.py infilling_prompt_tokens."""
    tokenizer = sentencepiece_like("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
    infilling = find_infilling_encoder(tokenizer, "auto")
    assert infilling is not None
    expected = ids(tokenizer, "<s>", "▁<PRE>", "▁", *"if▁a:", "\n", "▁<SUF>", "▁", "▁", *"b", "\n", "▁<MID>")
    assert infilling.encode("if a:\n", "  b\n") == expected
    assert infilling.encode("a", "b") == ids(tokenizer, "<s>", "▁<PRE>", "▁", "a", "▁<SUF>", "b", "▁<MID>")
    assert infilling.end_tokens >= set(ids(tokenizer, "▁<EOT>"))
    assert find_infilling_format("codellama").format_prompt("a", "b") == "<PRE> a <SUF>b <MID>"


def test_token_ids_of_codestral() -> None:
    """The suffix first, and no token after the prefix: mistral_common tokenizers/instruct.py encode_fim."""
    tokenizer = sentencepiece_like("[SUFFIX]", "[PREFIX]", "[MIDDLE]")
    infilling = find_infilling_encoder(tokenizer, "auto")
    assert infilling is not None
    expected = ids(tokenizer, "<s>", "[SUFFIX]", "▁", "b", "\n", "[PREFIX]", "▁", *"if▁a:", "\n")
    assert infilling.encode("if a:\n", " b\n") == expected
    assert infilling.encode("a", "") == ids(tokenizer, "<s>", "[SUFFIX]", "[PREFIX]", "▁", "a")
    assert infilling.end_tokens >= set(ids(tokenizer, "</s>"))
    assert find_infilling_format("codestral").format_prompt("a", "b") == "[SUFFIX]b[PREFIX]a"


def test_texts_that_look_like_placeholders_are_not_replaced() -> None:
    assert (
        find_infilling_format("qwen").format_prompt("{suffix}", "{prefix}")
        == "<|fim_prefix|>{suffix}<|fim_suffix|>{prefix}<|fim_middle|>"
    )


def test_every_format_has_a_source_and_ends_at_its_sentinels() -> None:
    assert len(set(FORMAT_NAMES)) == len(FORMATS) == 7
    for format in FORMATS:
        assert format.source
        assert set(format.sentinels) <= set(format.end_texts)


def test_tokenizer_must_have_the_sentinels_of_a_named_format() -> None:
    assert find_infilling_encoder(byte_level(), "auto") is None
    with pytest.raises(UserError, match=r"option fim=starcoder: .* lacks .*<fim_prefix>.*; use fim=auto"):
        find_infilling_encoder(byte_level(*QWEN), "starcoder")


def test_oracle_reveals_only_a_length() -> None:
    oracle = infilling_request(PREFIX, SUFFIX, middle_length="oracle").problem.prompt.oracle
    assert oracle is not None
    assert oracle.length(len) == len("    return a\n")
    assert "return" not in repr(oracle)
