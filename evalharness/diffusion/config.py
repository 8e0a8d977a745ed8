"""The configuration of a network: shape and special tokens, stored as `config.json` with the hub's key names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalharness.errors import UserError

MODEL_TYPE = "evalharness-diffusion"

Attention = Literal["causal", "bidirectional", "block_causal"]
"""Which tokens a committed token, one that is no longer a mask, attends to. causal: itself and earlier tokens;
block_causal: its own block and earlier tokens; bidirectional: all, masks included. The block being denoised always
attends to itself and to earlier tokens.
"""

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
"""The keys in `config.json` of fields whose names differ there."""


@dataclass(frozen=True)
class ModelConfig:
    """The configuration of a network (`Transformer`): its shape, attention and special tokens.

    `rotary` is the fraction of each head's dimensions that RoPE rotates.
    """

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
    """Tokens per block; 0 if the whole canvas is denoised as one block."""
    max_length: int = 1024
    attention: Attention = "causal"
    shift: bool = False
    """Whether the logits that predict a mask are those of the position before it."""
    rope_theta: float = 10_000.0
    rotary: float = 1.0
    qkv_bias: bool = False
    qk_norm: bool = False
    tied: bool = True
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise UserError(
                f"the network has {self.heads} attention heads and {self.kv_heads} key-value heads; set the number of "
                "attention heads (heads) to a multiple of the number of key-value heads (kv_heads)"
            )
        if self.rotary_dims % 2:
            raise UserError(
                f"RoPE needs an even number of rotated dimensions, and this network rotates {self.rotary_dims} of the "
                f"{self.head_dim} dimensions of each head; change the rotated fraction (rotary) of its configuration"
            )

    @property
    def rotary_dims(self) -> int:
        """The number of dimensions of each attention head that RoPE rotates."""
        return int(self.head_dim * self.rotary)

    def to_json(self) -> dict[str, Any]:
        """Returns the network configuration as the JSON object that `config.json` contains."""
        return {"model_type": MODEL_TYPE} | {KEYS.get(name, name): value for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any], path: Path) -> "ModelConfig":
        """Returns the network configuration that `values`, the JSON object in the `config.json` at `path`, describes.

        Raises UserError for another model type, and for unknown or missing keys.
        """
        if values.get("model_type") != MODEL_TYPE:
            raise UserError(
                f"{path} has model_type {values.get('model_type')!r}, and {MODEL_TYPE!r} is needed; give a checkpoint "
                "folder that `evalharness train` wrote"
            )
        names = {key: name for name, key in KEYS.items()}
        fields = {names.get(key, key): value for key, value in values.items() if key != "model_type"}
        try:
            return cls(**fields)
        except TypeError as error:
            raise UserError(
                f"{path} is not a valid network configuration: {error}; give a checkpoint folder that "
                "`evalharness train` wrote"
            ) from None


def read_config(folder: Path) -> ModelConfig:
    """Returns the network configuration of a checkpoint folder in this project's format.

    Raises UserError if the folder has none.
    """
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}; give --model a checkpoint folder") from None
    return ModelConfig.from_json(values, path)


def write_config(config: ModelConfig, folder: Path) -> None:
    """Writes a network configuration to `folder` as `config.json`."""
    (folder / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n", encoding="utf-8")
