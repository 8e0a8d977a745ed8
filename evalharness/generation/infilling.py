"""How families of models that write from left to right are asked to infill: by sentinel tokens, each in its own way."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.errors import UserError
from evalharness.records import Prompt

PREFIX, SUFFIX = "{prefix}", "{suffix}"
MARK = "☺"


@dataclass(frozen=True)
class Format:
    """The form of one family. Everything in it is as `source` says."""

    name: str
    layout: tuple[str, ...]
    """Sentinel tokens in their order, with PREFIX and SUFFIX where the texts go."""
    ends: tuple[str, ...]
    """What ends a middle beside the model's own end tokens: tokens, or texts where a vocabulary lacks them."""
    source: str
    signs: tuple[str, ...] = ()
    """Further tokens that tell the family from another with the same sentinels."""
    written: str = ""
    """The layout as a text, where it is not its parts one after the other."""
    bare_suffix: bool = False
    """Sentencepiece puts a space before every text; before the suffix it must not."""

    @property
    def sentinels(self) -> tuple[str, ...]:
        """The sentinel tokens of the layout."""
        return tuple(part for part in self.layout if part not in (PREFIX, SUFFIX))

    def text(self, prefix: str, suffix: str) -> str:
        """The prompt as a text, for servers that find the sentinels in it themselves."""
        texts = {PREFIX: prefix, SUFFIX: suffix}
        return re.sub("|".join(texts), lambda found: texts[found[0]], self.written or "".join(self.layout))


FORMATS = (
    Format(
        "codegemma",
        ("<|fim_prefix|>", PREFIX, "<|fim_suffix|>", SUFFIX, "<|fim_middle|>"),
        ends=("<|file_separator|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        signs=("<|file_separator|>",),
        source="https://ai.google.dev/gemma/docs/codegemma/prompt-structure",
    ),
    Format(
        "qwen",
        ("<|fim_prefix|>", PREFIX, "<|fim_suffix|>", SUFFIX, "<|fim_middle|>"),
        ends=(
            *("<|endoftext|>", "<|file_sep|>", "<|fim_pad|>", "<|cursor|>", "<|repo_name|>", "<|im_end|>"),
            *("<|im_start|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        ),
        source="QwenLM/Qwen2.5-Coder README.md, file-level code completion, and its list of special tokens",
    ),
    Format(
        "starcoder",
        ("<fim_prefix>", PREFIX, "<fim_suffix>", SUFFIX, "<fim_middle>"),
        ends=(
            *("<|endoftext|>", "<file_sep>", "<|filename|>", "<fim_pad>", "<filename>", "<repo_name>", "<reponame>"),
            *("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ),
        source="bigcode-project/bigcode-evaluation-harness bigcode_eval/tasks/santacoder_fim.py StarCoderFIM",
    ),
    Format(
        "santacoder",
        ("<fim-prefix>", PREFIX, "<fim-suffix>", SUFFIX, "<fim-middle>"),
        ends=("<|endoftext|>", "<|filename|>", "<fim-pad>", "<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        source="bigcode-project/bigcode-evaluation-harness bigcode_eval/tasks/santacoder_fim.py SantaCoderFIM",
    ),
    Format(
        "deepseek",
        ("<｜fim▁begin｜>", PREFIX, "<｜fim▁hole｜>", SUFFIX, "<｜fim▁end｜>"),
        ends=("<｜end▁of▁sentence｜>", "<|EOT|>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
        source="deepseek-ai/DeepSeek-Coder README.md, code insertion",
    ),
    Format(
        "codellama",
        ("▁<PRE>", PREFIX, "▁<SUF>", SUFFIX, "▁<MID>"),
        ends=("▁<EOT>", "▁<PRE>", "▁<SUF>", "▁<MID>"),
        written="<PRE> {prefix} <SUF>{suffix} <MID>",
        bare_suffix=True,
        source="meta-llama/codellama llama/generation.py infilling_prompt_tokens, text_infilling",
    ),
    Format(
        "codestral",
        ("[SUFFIX]", SUFFIX, "[PREFIX]", PREFIX),
        ends=("</s>", "[SUFFIX]", "[PREFIX]", "[MIDDLE]"),
        bare_suffix=True,
        source="mistralai/mistral-common src/mistral_common/tokens/tokenizers/instruct.py encode_fim",
    ),
)
"""In the order in which a tokenizer is tried for them."""

NAMES = tuple(format.name for format in FORMATS)


def find_format(name: str) -> Format:
    """The format of that name, one of NAMES."""
    return next(format for format in FORMATS if format.name == name)


@dataclass(frozen=True)
class Infilling:
    """A format, and a tokenizer that has its tokens."""

    format: Format
    tokenizer: Any
    ends: frozenset[int]
    stops: tuple[str, ...]
    """Those of the format's ends that are no tokens of the vocabulary."""

    def describe(self) -> dict[str, Any]:
        """For the manifest."""
        return {"format": self.format.name, "layout": self.format.layout, "ends": self.format.ends}

    def encode(self, prefix: str, suffix: str) -> list[int]:
        """The prompt's token ids: what opens every text of the tokenizer's, sentinels, and each text by itself."""
        after_gap = _encode_bare if self.format.bare_suffix else _encode
        texts = {PREFIX: _encode(self.tokenizer, prefix), SUFFIX: after_gap(self.tokenizer, suffix)}
        ids = _opening(self.tokenizer)
        for part in self.format.layout:
            ids += texts[part] if part in texts else [self.tokenizer.convert_tokens_to_ids(part)]
        return ids


def find_infilling(tokenizer: Any, name: str) -> Infilling | None:
    """How to infill with this tokenizer: by the format of that name, or with `auto` by the first whose tokens it has.

    None where `auto` finds none. Raises UserError where the tokenizer lacks a token of the named one.
    """
    vocabulary = tokenizer.get_vocab()
    if name == "auto":
        format = next((each for each in FORMATS if vocabulary.keys() >= {*each.sentinels, *each.signs}), None)
    else:
        format = find_format(name)
        lacking = [token for token in format.sentinels if token not in vocabulary]
        if lacking:
            raise UserError(f"option fim={name}: the model's tokenizer has no {', '.join(lacking)}; use fim=auto")
    if format is None:
        return None
    ends = frozenset(vocabulary[end] for end in format.ends if end in vocabulary)
    return Infilling(format, tokenizer, ends, tuple(end for end in format.ends if end not in vocabulary))


def require_free_middle(backend: str, prompt: Prompt) -> None:
    """Raises UserError where the recipe wants more of a model that writes from left to right than that it ends."""
    if prompt.middle_length != "free":
        raise UserError(
            f"the recipe fixes or searches the length of the middle (middle: {prompt.middle_length}), and backend "
            f"{backend} writes from left to right until it ends; use a recipe whose middle is free, such as --option "
            "recipe=plain"
        )


def _opening(tokenizer: Any) -> list[int]:
    """What the tokenizer puts before any text, such as the token that begins one."""
    whole, bare = list(tokenizer("a")["input_ids"]), _encode(tokenizer, "a")
    starts = (start for start in range(len(whole)) if whole[start : start + len(bare)] == bare)
    return whole[: next(starts, 0)]


def _encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _encode_bare(tokenizer: Any, text: str) -> list[int]:
    """Without the space that sentencepiece implies: it goes to a mark before the text, which is then taken away."""
    mark, whole = _encode(tokenizer, MARK), _encode(tokenizer, MARK + text)
    if not _begins(whole, mark):
        raise UserError("the model's tokenizer joins what follows a text to it; give another format with --option fim=")
    return whole[len(mark) :]


def _begins(ids: Sequence[int], start: Sequence[int]) -> bool:
    return list(ids[: len(start)]) == list(start)
