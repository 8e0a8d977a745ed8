"""Infilling (FIM) with left-to-right models: builds prompts in the FIM format of the model's tokenizer."""

from dataclasses import dataclass
from typing import Any

from evalharness.errors import UserError
from evalharness.generation.encoding import encode_without_special_tokens, find_added_special_tokens
from evalharness.generation.infilling_formats import FORMATS, PREFIX, SUFFIX, InfillingFormat, find_infilling_format
from evalharness.records import Prompt

MARKER = "☺"
"""A character that is tokenized before a text to absorb the space that sentencepiece adds; its tokens are removed."""


@dataclass(frozen=True)
class InfillingEncoder:
    """Encodes infilling (FIM) prompts for one tokenizer, whose vocabulary has the format's sentinel tokens."""

    format: InfillingFormat
    tokenizer: Any
    end_tokens: frozenset[int]
    """Token ids that end an infilled middle, besides the model's own EOS tokens."""
    stops: tuple[str, ...]
    """The format's end markers that are not in the vocabulary; they are used as stop sequences."""

    def to_manifest(self) -> dict[str, Any]:
        """Returns the FIM format as an entry of the run's manifest."""
        return {"format": self.format.name, "layout": self.format.layout, "ends": self.format.end_texts}

    def encode(self, prefix: str, suffix: str) -> list[int]:
        """Returns the token ids of an infilling prompt: BOS token, sentinel tokens, prefix and suffix.

        Prefix and suffix are tokenized separately. Raises UserError if the suffix cannot be tokenized without the space
        that sentencepiece tokenizers add before a text.
        """
        without_space = self.format.suffix_without_space
        encode_suffix = _encode_without_leading_space if without_space else encode_without_special_tokens
        texts = {
            PREFIX: encode_without_special_tokens(self.tokenizer, prefix),
            SUFFIX: encode_suffix(self.tokenizer, suffix),
        }
        ids = find_added_special_tokens(self.tokenizer).before
        for part in self.format.layout:
            ids += texts[part] if part in texts else [self.tokenizer.convert_tokens_to_ids(part)]
        return ids


def find_infilling_encoder(tokenizer: Any, format_name: str) -> InfillingEncoder | None:
    """Returns the encoder of infilling prompts in the named FIM format for a tokenizer.

    "auto" is the first format whose sentinel tokens are in the tokenizer's vocabulary; the result is None if there is
    no such format. Raises UserError if another format is named and the vocabulary lacks its sentinel tokens.
    """
    vocabulary = tokenizer.get_vocab()
    if format_name == "auto":
        required = {format: {*format.sentinels, *format.also_requires} for format in FORMATS}
        format = next((format for format, tokens in required.items() if vocabulary.keys() >= tokens), None)
    else:
        format = find_infilling_format(format_name)
        missing = [token for token in format.sentinels if token not in vocabulary]
        if missing:
            raise UserError(
                f"option fim={format_name}: the model's tokenizer lacks the sentinel tokens {', '.join(missing)}; "
                "use fim=auto"
            )
    if format is None:
        return None
    end_tokens = frozenset(vocabulary[text] for text in format.end_texts if text in vocabulary)
    return InfillingEncoder(
        format, tokenizer, end_tokens, tuple(text for text in format.end_texts if text not in vocabulary)
    )


def refuse_fixed_middle_length(backend_name: str, prompt: Prompt) -> None:
    """Raises UserError if an infilling prompt sets the length of the middle in advance, or asks to search for it.

    Left-to-right models cannot do that: their EOS token determines the length.
    """
    if prompt.middle_length != "free":
        raise UserError(
            f"the recipe sets the length of the infilled middle (middle: {prompt.middle_length}), which backend "
            f"{backend_name} cannot do, because it generates from left to right until an EOS token; use another "
            "recipe, such as --option recipe=plain"
        )


def _encode_without_leading_space(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text, without the space that sentencepiece tokenizers add before it."""
    marker, marked = (
        encode_without_special_tokens(tokenizer, MARKER),
        encode_without_special_tokens(tokenizer, MARKER + text),
    )
    if marked[: len(marker)] != marker:
        raise UserError(
            "the model's tokenizer cannot encode the prompt's suffix on its own, because it joins the suffix's first "
            "characters with the text before them into one token; give another FIM format with --option fim=NAME"
        )
    return marked[len(marker) :]
