"""Tokenizes prompts without a suffix: plain text, or chat messages through the tokenizer's chat template."""

from typing import Any

from evalharness.errors import UserError
from evalharness.generation.encoding import encode_text, encode_without_special_tokens
from evalharness.records import Prompt
from evalharness.util.text import error_text


def encode_prompt(tokenizer: Any, model_name: str, prompt: Prompt, extra_advice: str = "") -> list[int]:
    """Returns the token ids of a text or chat prompt, including the prompt's `prefill` (the start of the answer).

    Raises UserError for a chat prompt if the tokenizer has no chat template or the template rejects the messages. The
    message advises another recipe (prompt format) and, if given, also `extra_advice`.
    """
    if not prompt.messages:
        return encode_text(tokenizer, (prompt.text or "") + prompt.prefill)
    remedy = "; use a recipe without chat (--option recipe=NAME)"
    remedy += f", or {extra_advice}" if extra_advice else ""
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            f"the prompts are chat messages, and the tokenizer of model {model_name} has no chat template{remedy}"
        )
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    try:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # templates raise whatever their author chose
        raise UserError(
            f"the chat template of model {model_name} rejects the prompt: {error_text(error)}{remedy}"
        ) from error
    # The template has written the special tokens at the start of a text; the tokenizer must not add them again.
    return encode_without_special_tokens(tokenizer, text + prompt.prefill)


def why_chat_is_expected(tokenizer: Any) -> str:
    """Returns the reason to send chat messages to a model with this tokenizer, for a warning; "" if there is none.

    The reason is that the tokenizer has a chat template.
    """
    return "the model's tokenizer has a chat template" if getattr(tokenizer, "chat_template", None) else ""
