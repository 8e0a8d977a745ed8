"""Special tokens around a text to continue: those before it stay, those after it go."""

from typing import Any

import pytest
from helpers.tiny_model import END, TURN, build_tokenizer
from tokenizers.processors import TemplateProcessing

from evalharness.generation.chat_template import encode_prompt
from evalharness.generation.encoding import encode_text, encode_without_special_tokens, find_added_special_tokens
from evalharness.records import Prompt


def tokenizer_with(template: str) -> Any:
    tokenizer = build_tokenizer()
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (END, TURN)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=ids)
    return tokenizer


@pytest.mark.parametrize("text", ["def add(a, b):", "", "a", f"x{END}", "☃"])
@pytest.mark.parametrize("template", ["$A", f"$A {END}", f"{TURN} $A", f"{TURN} $A {END}", f"$A {END} {TURN}"])
def test_a_text_to_continue_has_no_end_token_after_it(template: str, text: str) -> None:
    tokenizer = tokenizer_with(template)
    opening = [tokenizer.convert_tokens_to_ids(TURN)] if template.startswith(TURN) else []
    assert encode_text(tokenizer, text) == opening + encode_without_special_tokens(tokenizer, text)
    assert encode_prompt(tokenizer, "m", Prompt(text=text)) == opening + encode_without_special_tokens(tokenizer, text)


def test_added_tokens() -> None:
    tokenizer = tokenizer_with(f"{TURN} $A {END}")
    end, turn = (tokenizer.convert_tokens_to_ids(token) for token in (END, TURN))
    assert find_added_special_tokens(tokenizer) == ([turn], [end])
