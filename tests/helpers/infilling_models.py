"""Tokenizers like those of model families that infill, and a tiny model that is trained to infill."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from evalharness.records import MiddleLength, MiddleLengthOracle, Problem, Prompt, Request
from helpers.tiny_model import END, build_model, build_tokenizer

PREFIX, MIDDLE, SUFFIX = "def add(a, b):\n", "    return a + b\n", "\n\ndef sub(a, b):\n"
OTHER_PREFIX, OTHER_MIDDLE = "def mul(a, b):\n", "    return a * b\n"
CUT_PREFIX, CUT_MIDDLE = "def neg(a):\n", "    return -a\n"
QWEN = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|file_sep|>", "<|endoftext|>")


def infilling_request(
    prefix: str, suffix: str, stops: Sequence[str] = (), middle_length: MiddleLength = "free", task_id: str = "t"
) -> Request:
    """Returns a request for the middle between prefix and suffix."""
    oracle = MiddleLengthOracle("    return a\n") if middle_length == "oracle" else None
    prompt = Prompt(prefix, stops=tuple(stops), suffix=suffix, middle_length=middle_length, oracle=oracle)
    return Request(Problem(task_id, prompt, {}, ""), 0)


def byte_level(*added: str) -> PreTrainedTokenizerFast:
    """Returns a byte-level tokenizer with these tokens added, none of them special, as in Qwen2.5-Coder."""
    tokenizer = build_tokenizer()
    tokenizer.add_tokens(list(added))
    return tokenizer


def sentencepiece_like(*added: str) -> PreTrainedTokenizerFast:
    """Returns a tokenizer like Llama's: a begin token and a space before every text, and a vocabulary of letters."""
    letters = ["▁", "\n", *"abcdefghijklmnopqrstuvwxyz():+☺"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    model = models.BPE(vocab=dict(zip(pieces, itertools.count())), merges=[], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(parts)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ("<s>", "</s>")])
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def build_infilling_model(folder: Path) -> Path:
    """Writes a model that fills three middles: one ends at the end token, one at a file separator, one at a text."""
    begin, mid, end = "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"
    return build_model(
        folder,
        added=QWEN,
        more=[
            f"{begin}{PREFIX}{end}{SUFFIX}{mid}{MIDDLE}{END}",
            f"{begin}{OTHER_PREFIX}{end}{SUFFIX}{mid}{OTHER_MIDDLE}<|file_sep|>b.py\n{END}",
            f"{begin}{CUT_PREFIX}{end}{SUFFIX}{mid}{CUT_MIDDLE}<|cursor|>x\n{END}",
        ],
    )
