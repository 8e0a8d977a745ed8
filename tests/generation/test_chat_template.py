"""Token ids of texts and chat messages."""

from typing import Any

import pytest

from evalharness.errors import UserError
from evalharness.generation.chat_template import encode_prompt
from evalharness.records import Message, Prompt

CHAT = Prompt(messages=(Message("system", "Be brief."), Message("user", "Hello")), prefill="```")


class CharacterTokenizer:
    """Encodes each character as its code point, after a begin token 0 unless special tokens are excluded."""

    def __init__(self, chat_template: str | None, failure: str = "") -> None:
        self.chat_template, self.failure = chat_template, failure

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [0] * add_special_tokens + [ord(character) for character in text]}

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> str:
        if self.failure:
            raise ValueError(self.failure)
        return "".join(f"<{message['role'][0]}>{message['content']}" for message in messages) + "<a>"


def test_text_and_prefill_are_encoded_with_the_begin_token() -> None:
    ids = encode_prompt(CharacterTokenizer(None), "m", Prompt(text="ab", prefill="c"))
    assert ids == [0, ord("a"), ord("b"), ord("c")]


def test_chat_messages_are_encoded_without_a_second_begin_token() -> None:
    ids = encode_prompt(CharacterTokenizer("..."), "m", CHAT)
    assert "".join(map(chr, ids)) == "<s>Be brief.<u>Hello<a>```"


@pytest.mark.parametrize("template", [None, ""])
def test_missing_chat_template_is_a_user_error(template: str | None) -> None:
    with pytest.raises(
        UserError, match=r"of model m has no chat template; use a recipe without chat \(--option recipe=NAME\)$"
    ):
        encode_prompt(CharacterTokenizer(template), "m", CHAT)


def test_message_of_a_failing_template_is_one_line() -> None:
    tokenizer = CharacterTokenizer("...", "system role\nnot supported")
    with pytest.raises(UserError, match=r"of model m rejects the prompt: system role not supported.*or do it$"):
        encode_prompt(tokenizer, "m", CHAT, "do it")
