"""Reads configurations and weights in Hugging Face's formats, without running code from the checkpoint."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from evalharness.diffusion.checkpoints.families import ModelFamily
from evalharness.diffusion.config import ModelConfig
from evalharness.errors import UserError

LLAMA = {
    "embed.weight": ("model.embed_tokens.weight",),
    "norm.weight": ("model.norm.weight",),
    "head.weight": ("lm_head.weight",),
    "attention_norm.weight": ("input_layernorm.weight",),
    "qkv.weight": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    "qkv.bias": ("self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"),
    "q_norm.weight": ("self_attn.q_norm.weight",),
    "k_norm.weight": ("self_attn.k_norm.weight",),
    "out.weight": ("self_attn.o_proj.weight",),
    "mlp_norm.weight": ("post_attention_layernorm.weight",),
    "gate_up.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
    "down.weight": ("mlp.down_proj.weight",),
}
_LLADA = {
    "embed.weight": ("model.transformer.wte.weight",),
    "norm.weight": ("model.transformer.ln_f.weight",),
    "head.weight": ("model.transformer.ff_out.weight",),
    "attention_norm.weight": ("attn_norm.weight",),
    "qkv.weight": ("q_proj.weight", "k_proj.weight", "v_proj.weight"),
    "out.weight": ("attn_out.weight",),
    "mlp_norm.weight": ("ff_norm.weight",),
    "gate_up.weight": ("ff_proj.weight", "up_proj.weight"),
    "down.weight": ("ff_out.weight",),
}
_LLADA_KEYS = {
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "num_key_value_heads": "n_kv_heads",
    "intermediate_size": "mlp_hidden_size",
    "max_position_embeddings": "max_sequence_length",
    "tie_word_embeddings": "weight_tying",
    "attention_bias": "include_qkv_bias",
}
"""The keys of LLaDA's config.json (OLMo's format), by their usual names."""


def parse_model_config(config_values: Mapping[str, Any], family: ModelFamily, mask_id: int, end_id: int) -> ModelConfig:
    """Returns the network configuration that `config_values`, a Hugging Face `config.json`, describes.

    Raises UserError for features that this project's network does not support.
    """
    kind = str(config_values["model_type"])
    if family.name == "llada":
        config_values = {**config_values, **{name: config_values.get(key) for name, key in _LLADA_KEYS.items()}}
        config_values["vocab_size"] = config_values.get("embedding_size") or config_values["vocab_size"]
    rope = {**(config_values.get("rope_scaling") or {}), **(config_values.get("rope_parameters") or {})}
    scaling = rope.get("rope_type", rope.get("type", "default"))
    if scaling != "default" or config_values.get("use_sliding_window") or config_values.get("mlp_bias"):
        feature = f"RoPE scaling {scaling!r}" if scaling != "default" else "sliding windows or biases of the MLP"
        raise UserError(f"a {kind} model with {feature} is not supported by this backend; use --backend transformers")
    qwen3 = kind in ("qwen3", "sdar")
    bias = bool(config_values.get("attention_bias") or False)
    if bias and (qwen3 or kind == "llama"):
        raise UserError(
            f"a {kind} model with attention_bias: true is not supported by this backend; use --backend transformers"
        )
    heads = int(config_values["num_attention_heads"])
    return ModelConfig(
        vocab_size=config_values["vocab_size"],
        hidden=config_values["hidden_size"],
        layers=config_values["num_hidden_layers"],
        heads=heads,
        kv_heads=config_values.get("num_key_value_heads") or heads,
        head_dim=config_values.get("head_dim") or config_values["hidden_size"] // heads,
        intermediate=config_values["intermediate_size"],
        mask_id=mask_id,
        end_id=end_id,
        pad_id=end_id,
        block_size=config_values.get("bd_size") or config_values.get("block_size") or family.block,
        max_length=config_values["max_position_embeddings"],
        attention=family.attention,
        shift=family.shift,
        rope_theta=float(rope.get("rope_theta") or config_values.get("rope_theta") or 10_000.0),
        qkv_bias=bias or (not qwen3 and kind not in ("llama", "llada")),
        qk_norm=qwen3,
        tied=bool(config_values.get("tie_word_embeddings") or False),
        norm_eps=config_values["rms_norm_eps"],
    )


def read_weights(
    folder: Path, config: ModelConfig, family: ModelFamily, dtype: torch.dtype, device: torch.device
) -> dict[str, Tensor]:
    """Returns the weights in a model folder's safetensors files as a state dict with this project's parameter names.

    Raises UserError if weights are missing.
    """
    names = _LLADA if family.name == "llada" else LLAMA
    layer = "model.transformer.blocks.{}." if family.name == "llada" else "model.layers.{}."
    sources_by_name: dict[str, list[str]] = {}
    for name, sources in names.items():
        if name in ("embed.weight", "norm.weight", "head.weight"):
            sources_by_name[name] = list(sources)
            continue
        if (name == "qkv.bias" and not config.qkv_bias) or (
            name in ("q_norm.weight", "k_norm.weight") and not config.qk_norm
        ):
            continue
        for number in range(config.layers):
            sources_by_name[f"layers.{number}.{name}"] = [layer.format(number) + source for source in sources]
    if config.tied:
        sources_by_name["head.weight"] = sources_by_name["embed.weight"]
    with ExitStack() as stack:
        files = [
            stack.enter_context(safe_open(path, "pt", str(device))) for path in sorted(folder.glob("*.safetensors"))
        ]
        file_of_key = {key: file for file in files for key in file.keys()}  # noqa: SIM118

        def read_tensor(key: str) -> Tensor:
            if key not in file_of_key:
                raise UserError(f"model folder {folder} has no weight tensor {key}; give --model a complete checkpoint")
            tensor: Tensor = file_of_key[key].get_tensor(key)
            return tensor.to(dtype)

        state = {
            name: read_tensor(keys[0]) if len(keys) == 1 else torch.cat([read_tensor(key) for key in keys])
            for name, keys in sources_by_name.items()
        }
    if config.tied:
        state["head.weight"] = state["embed.weight"]
    return state
