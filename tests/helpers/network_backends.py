"""A small random checkpoint in the project's own format, and backends that use it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from evalharness.backends import BackendConfig
from evalharness.backends.ar import AutoregressiveBackend
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.diffusion.checkpoints.folder import save_checkpoint
from evalharness.diffusion.config import Attention, ModelConfig
from evalharness.diffusion.network import Transformer
from evalharness.records import MiddleLength, MiddleLengthOracle, Problem, Prompt, Request

SPECIAL = (
    *("<|end|>", "<|pad|>", "<|mask|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    *("<|user|>", "<|assistant|>"),
)


def build(folder: Path, attention: Attention = "causal", seed: int = 0, special: Sequence[str] = SPECIAL) -> Path:
    """Writes a checkpoint with random weights and a byte-level tokenizer. Returns the folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        special_tokens=list(special), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([], trainer)
    torch.manual_seed(seed)
    config = ModelConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden=32, layers=2, heads=4, kv_heads=2, head_dim=8, intermediate=48,
        mask_id=2, end_id=0, pad_id=1, block_size=8, max_length=128, attention=attention,
    )  # fmt: skip
    model = Transformer(config)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data.mul_(10)
    save_checkpoint(model, folder, quantized=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def text_request(text: str, number: int = 0, **more: Any) -> Request:
    return Request(Problem(f"t/{number}", Prompt(text, **more), {}, ""), number)


def infilling_request(middle: MiddleLength, reference: str = "") -> Request:
    oracle = MiddleLengthOracle(reference) if middle == "oracle" else None
    return text_request("def f():\n", suffix="\n    return a\n", middle_length=middle, oracle=oracle)


def diffusion(folder: Path, batch_size: int = 1, **options: str) -> DiffusionBackend:
    return DiffusionBackend(BackendConfig(str(folder), batch_size, options))


def ar(folder: Path, batch_size: int = 1, **options: str) -> AutoregressiveBackend:
    return AutoregressiveBackend(BackendConfig(str(folder), batch_size, options))
