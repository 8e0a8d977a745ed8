"""FIM formats: how each family of left-to-right models marks prefix, suffix and middle by sentinel tokens."""

import re
from dataclasses import dataclass

PREFIX, SUFFIX = "{prefix}", "{suffix}"
"""Placeholders of the two texts in a format's layout."""


@dataclass(frozen=True)
class InfillingFormat:
    """The infilling (FIM) format of one model family: how its prompts mark prefix, suffix and middle."""

    name: str
    layout: tuple[str, ...]
    """The sentinel tokens in order, with PREFIX and SUFFIX where the texts are inserted."""
    end_texts: tuple[str, ...]
    """Tokens that end an infilled middle, besides EOS. One that is not in the vocabulary is used as a stop sequence."""
    source: str
    """The file or page that documents the format."""
    also_requires: tuple[str, ...] = ()
    """Further tokens that the vocabulary must have, to distinguish model families with the same sentinels."""
    text_layout: str = ""
    """The layout as text, if it differs from the joined `layout`."""
    suffix_without_space: bool = False
    """Whether the suffix is encoded without the space that sentencepiece adds before every text."""

    @property
    def sentinels(self) -> tuple[str, ...]:
        """The sentinel tokens of a prompt in this format, in order."""
        return tuple(part for part in self.layout if part not in (PREFIX, SUFFIX))

    def format_prompt(self, prefix: str, suffix: str) -> str:
        """Returns an infilling prompt as text, for servers that recognize sentinel tokens in the text."""
        texts = {PREFIX: prefix, SUFFIX: suffix}
        return re.sub("|".join(texts), lambda match: texts[match[0]], self.text_layout or "".join(self.layout))


FORMATS = (
    InfillingFormat(
        "codegemma",
        ("<|fim_prefix|>", PREFIX, "<|fim_suffix|>", SUFFIX, "<|fim_middle|>"),
        end_texts=("<|file_separator|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        also_requires=("<|file_separator|>",),
        source="https://ai.google.dev/gemma/docs/codegemma/prompt-structure",
    ),
    InfillingFormat(
        "qwen",
        ("<|fim_prefix|>", PREFIX, "<|fim_suffix|>", SUFFIX, "<|fim_middle|>"),
        end_texts=(
            *("<|endoftext|>", "<|file_sep|>", "<|fim_pad|>", "<|cursor|>", "<|repo_name|>", "<|im_end|>"),
            *("<|im_start|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        ),
        source="QwenLM/Qwen2.5-Coder README.md, file-level code completion, and its list of special tokens",
    ),
    InfillingFormat(
        "starcoder",
        ("<fim_prefix>", PREFIX, "<fim_suffix>", SUFFIX, "<fim_middle>"),
        end_texts=(
            *("<|endoftext|>", "<file_sep>", "<|filename|>", "<fim_pad>", "<filename>", "<repo_name>", "<reponame>"),
            *("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ),
        source="bigcode-project/bigcode-evaluation-harness bigcode_eval/tasks/santacoder_fim.py StarCoderFIM",
    ),
    InfillingFormat(
        "santacoder",
        ("<fim-prefix>", PREFIX, "<fim-suffix>", SUFFIX, "<fim-middle>"),
        end_texts=("<|endoftext|>", "<|filename|>", "<fim-pad>", "<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        source="bigcode-project/bigcode-evaluation-harness bigcode_eval/tasks/santacoder_fim.py SantaCoderFIM",
    ),
    InfillingFormat(
        "deepseek",
        ("<｜fim▁begin｜>", PREFIX, "<｜fim▁hole｜>", SUFFIX, "<｜fim▁end｜>"),
        end_texts=("<｜end▁of▁sentence｜>", "<|EOT|>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
        source="deepseek-ai/DeepSeek-Coder README.md, code insertion",
    ),
    InfillingFormat(
        "codellama",
        ("▁<PRE>", PREFIX, "▁<SUF>", SUFFIX, "▁<MID>"),
        end_texts=("▁<EOT>", "▁<PRE>", "▁<SUF>", "▁<MID>"),
        text_layout="<PRE> {prefix} <SUF>{suffix} <MID>",
        suffix_without_space=True,
        source="meta-llama/codellama llama/generation.py infilling_prompt_tokens, text_infilling",
    ),
    InfillingFormat(
        "codestral",
        ("[SUFFIX]", SUFFIX, "[PREFIX]", PREFIX),
        end_texts=("</s>", "[SUFFIX]", "[PREFIX]", "[MIDDLE]"),
        suffix_without_space=True,
        source="mistralai/mistral-common src/mistral_common/tokens/tokenizers/instruct.py encode_fim",
    ),
)
"""All known FIM formats. `find_infilling_encoder` takes the first one whose tokens a vocabulary has."""

FORMAT_NAMES = tuple(format.name for format in FORMATS)


def find_infilling_format(format_name: str) -> InfillingFormat:
    """Returns the FIM format with this name, one of FORMAT_NAMES."""
    return next(format for format in FORMATS if format.name == format_name)
