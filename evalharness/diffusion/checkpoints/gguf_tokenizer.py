"""Builds a tokenizer from the metadata of a GGUF file: vocabulary, merges, special tokens and chat template."""

from collections.abc import Sequence
from enum import IntEnum

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from evalharness.diffusion.checkpoints.gguf_file import GgufFile
from evalharness.diffusion.checkpoints.tokenizer import FastTokenizer
from evalharness.errors import UserError

_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {"qwen2": _PIECES.format(digits=""), "llama-bpe": _PIECES.format(digits="{1,3}")}
"""By `tokenizer.ggml.pre`: the pattern that splits a text before merging. Source: the tokenizer.json of Qwen2 and of
Llama 3.
"""
_GPT2 = ("default", "gpt-2", "gpt2")
ENDS = ("<|endoftext|>", "<|im_end|>", "<|end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|EOT|>")
"""Special tokens that end an answer in every model that has them. Source: llama.cpp src/llama-vocab.cpp."""
_END_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")


class TokenType(IntEnum):
    """The types of tokens in a GGUF file's vocabulary (metadata `tokenizer.ggml.token_type`)."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class GgufTokenizer(FastTokenizer):
    """The tokenizer of a GGUF file and its chat template, with the method names of a transformers tokenizer."""

    def __init__(self, tokenizer: Tokenizer, chat_template: str | None, special: dict[str, str | None]) -> None:
        super().__init__(tokenizer)
        self.chat_template = chat_template
        self.special_tokens = special
        """The texts of `bos_token` and `eos_token`, as chat templates use them."""

    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], *, add_generation_prompt: bool = False, tokenize: bool = False
    ) -> str:
        """Returns chat messages as one text, formatted by the chat template.

        With `add_generation_prompt`, the text ends with the beginning of an answer. `tokenize` must be False.
        """
        from jinja2.exceptions import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        assert not tokenize
        assert self.chat_template is not None

        def raise_template_error(message: str) -> None:
            raise TemplateError(message)

        # As transformers renders templates, for which they are written.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = raise_template_error
        template = environment.from_string(self.chat_template)
        return template.render(messages=messages, add_generation_prompt=add_generation_prompt, **self.special_tokens)


def read_gguf_tokenizer(file: GgufFile) -> GgufTokenizer:
    """Returns the tokenizer in a GGUF file.

    Raises UserError unless it is byte-level BPE with a known pre-tokenizer.
    """
    values = {key.removeprefix("tokenizer."): value for key, value in file.metadata.items()}
    kind, split = values.get("ggml.model"), values.get("ggml.pre", "default")
    if kind != "gpt2" or (split not in _SPLITS and split not in _GPT2):
        supported = ", ".join([*_SPLITS, "gpt-2"])
        raise UserError(
            f"GGUF file {file.path} has a tokenizer of type {kind!r} with pre-tokenizer {split!r}; only type gpt2 with "
            f"pre-tokenizer {supported} is supported; give --model the Hugging Face folder of the same model instead"
        )
    names, kinds = values.get("ggml.tokens", []), values.get("ggml.token_type", [])
    try:
        vocabulary = {name: number for number, name in enumerate(names) if kinds[number] != TokenType.UNUSED}
        merges = [tuple(merge.split(" ", 1)) for merge in values.get("ggml.merges", [])]
        tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=split == "llama-bpe"))
    except Exception as error:  # the library raises no narrower class
        raise UserError(
            f"the tokenizer in GGUF file {file.path} cannot be read: {error}; give --model another file"
        ) from None
    tokenizer.decoder = decoders.ByteLevel()
    if split == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _make_pre_tokenizer(split)
    added = (TokenType.CONTROL, TokenType.USER_DEFINED)
    # One call: each one that adds tokens builds the search for all of them anew.
    tokenizer.add_tokens(
        [
            AddedToken(name, special=kinds[number] == TokenType.CONTROL, normalized=False)
            for number, name in enumerate(names)
            if kinds[number] in added
        ]
    )
    if values.get("ggml.add_bos_token"):
        number = values["ggml.bos_token_id"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{names[number]} $A", special_tokens=[(names[number], number)]
        )
    special = {
        f"{name}_token": names[values[f"ggml.{name}_token_id"]] if f"ggml.{name}_token_id" in values else None
        for name in ("bos", "eos")
    }
    return GgufTokenizer(tokenizer, values.get("chat_template"), special)


def read_end_token_ids(file: GgufFile) -> frozenset[int]:
    """Returns the ids of the tokens that end an answer (EOS).

    They are the end token ids in a GGUF file's metadata, and the ids of all tokens in `ENDS` that its vocabulary has.
    """
    end_ids = {file.metadata.get(f"tokenizer.ggml.{key}") for key in _END_KEYS} - {None}
    names: list[str] = file.metadata.get("tokenizer.ggml.tokens", [])
    kinds = file.metadata.get("tokenizer.ggml.token_type", [])
    end_ids |= {names.index(end) for end in ENDS if end in names and kinds[names.index(end)] == TokenType.CONTROL}
    if not end_ids:
        raise UserError(f"GGUF file {file.path} names no end-of-text (EOS) token; give --model a complete file")
    return frozenset(int(number) for number in end_ids if number is not None)


def _make_pre_tokenizer(pre_tokenizer_name: str) -> pre_tokenizers.PreTokenizer:
    if pre_tokenizer_name in _GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    pieces = pre_tokenizers.Split(Regex(_SPLITS[pre_tokenizer_name]), "isolated")
    return pre_tokenizers.Sequence([pieces, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
