"""Small random networks for tests that compare token by token."""

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models

from evalharness.diffusion.checkpoints.tokenizer import FastTokenizer
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row
from evalharness.generation.stopping import Detokenizer, StopChecker

MASK, END, PAD = 0, 1, 2


def tiny_config(**changes: Any) -> ModelConfig:
    """A configuration with grouped queries, partial rotation, and biases and norms of queries and keys, unless
    changed."""
    fields = {
        "vocab_size": 40, "hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 8, "intermediate": 48,
        "mask_id": MASK, "end_id": END, "pad_id": PAD, "block_size": 8, "max_length": 256, "rotary": 0.5,
        "qkv_bias": True, "qk_norm": True,
    }  # fmt: skip
    return ModelConfig(**fields | changes)


def tiny_model(seed: int = 0, **changes: Any) -> Transformer:
    """A network with weights so large that its predictions depend on all visible tokens."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = Transformer(tiny_config(**changes)).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.mul_(10)
    return model


def causal_mask(size: int) -> torch.Tensor:
    """A causal mask [1, 1, size, size]."""
    return torch.ones(size, size, dtype=torch.bool).tril()[None, None]


def tiny_tokenizer() -> FastTokenizer:
    """A tokenizer with one character per token: three special tokens and 37 characters."""
    letters = "abcdefghijklmnopqrstuvwxyz():=+-*/,._ \n"[: 40 - 3]
    vocabulary = {token: number for number, token in enumerate(["<mask>", "<end>", "<pad>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(["<mask>", "<end>", "<pad>"])
    return FastTokenizer(tokenizer)


def new_row(
    prompt: list[int], limit: int = 24, stops: tuple[str, ...] = (), seed: int | None = None, **more: Any
) -> Row:
    """A row that ends at END, a stop sequence or its limit."""
    watch = StopChecker(Detokenizer(tiny_tokenizer()), frozenset({END}), stops, limit)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return Row(prompt, watch, generator, **more)
