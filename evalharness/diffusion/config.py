"""The shape of a network and the meaning of its special tokens, kept as `config.json` in Hugging Face's key names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalharness.errors import UserError

MODEL_TYPE = "evalharness-diffusion"

Attention = Literal["causal", "bidirectional", "block_causal"]
"""What committed text attends to: causal, to what is before it; block_causal, to its own block and what is before
that; bidirectional, to everything, masks included. The block being denoised always sees itself and all before it."""

KEYS = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "intermediate": "intermediate_size",
    "rotary": "partial_rotary_factor",
    "qkv_bias": "attention_bias",
    "tied": "tie_word_embeddings",
    "norm_eps": "rms_norm_eps",
    "mask_id": "mask_token_id",
    "end_id": "eos_token_id",
    "pad_id": "pad_token_id",
    "max_length": "max_position_embeddings",
}
"""The key in `config.json` of each field that has another name there."""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes are counts; `rotary` is the fraction of each head's dimensions that RoPE rotates."""

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    mask_id: int
    end_id: int
    pad_id: int
    block_size: int = 32
    """0 where a whole canvas is denoised as one block."""
    max_length: int = 1024
    attention: Attention = "causal"
    shift: bool = False
    """Whether the logits of a mask are read one position before it."""
    rope_theta: float = 10_000.0
    rotary: float = 1.0
    qkv_bias: bool = False
    qk_norm: bool = False
    tied: bool = True
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise UserError(f"{self.heads} attention heads cannot share {self.kv_heads} key-value heads evenly")
        if self.rotated % 2:
            raise UserError(f"RoPE rotates pairs of dimensions, and {self.rotated} of each head's are to be rotated")

    @property
    def rotated(self) -> int:
        """Dimensions of each head that RoPE rotates."""
        return int(self.head_dim * self.rotary)

    def to_json(self) -> dict[str, Any]:
        """The contents of `config.json`."""
        return {"model_type": MODEL_TYPE} | {KEYS.get(name, name): value for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ModelConfig":
        """The inverse of `to_json`. Raises UserError for another model type and for other keys."""
        if values.get("model_type") != MODEL_TYPE:
            raise UserError(f"config.json is of model type {values.get('model_type')!r}, not {MODEL_TYPE!r}")
        names = {key: name for name, key in KEYS.items()}
        fields = {names.get(key, key): value for key, value in values.items() if key != "model_type"}
        try:
            return cls(**fields)
        except TypeError as error:
            raise UserError(f"config.json does not describe a model: {error}") from None


def read_config(folder: Path) -> ModelConfig:
    """The configuration of one of our own checkpoints. Raises UserError where there is none."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'config.json'} cannot be read: {error}; give --model a checkpoint folder") from None
    return ModelConfig.from_json(values)


def write_config(config: ModelConfig, folder: Path) -> None:
    """Writes `config.json` into `folder`."""
    (folder / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n", encoding="utf-8")
