"""Loads GGUF files for the backend `transformers`: its own network class with the file's weights and tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from evalharness.diffusion.checkpoints.gguf import read_gguf_config, read_gguf_weights
from evalharness.diffusion.checkpoints.gguf_file import GgufFile, read_gguf
from evalharness.diffusion.checkpoints.gguf_tokenizer import read_end_token_ids, read_gguf_tokenizer
from evalharness.diffusion.config import ModelConfig

_CONFIGS = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config, "qwen3": transformers.Qwen3Config}
_TOP = {
    "embed.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
}
_LAYER = {
    "attention_norm.": "input_layernorm.", "mlp_norm.": "post_attention_layernorm.", "q_norm.": "self_attn.q_norm.",
    "k_norm.": "self_attn.k_norm.", "out.": "self_attn.o_proj.", "down.": "mlp.down_proj.",
}  # fmt: skip


@dataclass(frozen=True)
class GgufModel:
    """A transformers model in evaluation mode with the weights of a GGUF file, and the file's EOS token ids."""

    model: Any
    end_tokens: frozenset[int]


def load_gguf_tokenizer(path: Path) -> Any:
    """Returns a GGUF file's tokenizer with the file's chat template.

    Raises UserError if the kind of tokenizer is not supported.
    """
    file = read_gguf(path)
    tokenizer = read_gguf_tokenizer(file)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.tokenizer,
        chat_template=tokenizer.chat_template,
        clean_up_tokenization_spaces=False,
        **{name: text for name, text in tokenizer.special_tokens.items() if text is not None},
    )


def load_gguf_model(path: Path, dtype: torch.dtype, attention_implementation: str | None) -> GgufModel:
    """Loads the model in a GGUF file on the CPU. Raises UserError if the architecture is not supported."""
    file = read_gguf(path)
    ends = read_end_token_ids(file)
    network_config = read_gguf_config(file, min(ends))
    config = _make_transformers_config(file, network_config)
    arguments = {} if attention_implementation is None else {"attn_implementation": attention_implementation}
    # Without a device, no random weights are drawn and discarded.
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, **arguments)
    model.load_state_dict(
        _rename_weights_for_transformers(read_gguf_weights(file, network_config, dtype), network_config),
        assign=True,
        strict=not network_config.tied,
    )
    model.tie_weights()
    # Its frequencies are computed and not stored, so that they are still without a device.
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    model.generation_config = transformers.GenerationConfig(eos_token_id=sorted(ends))
    return GgufModel(model.eval().requires_grad_(False), ends)


def _make_transformers_config(file: GgufFile, network_config: ModelConfig) -> Any:
    values: dict[str, Any] = {
        "vocab_size": network_config.vocab_size, "hidden_size": network_config.hidden,
        "num_hidden_layers": network_config.layers,
        "num_attention_heads": network_config.heads, "num_key_value_heads": network_config.kv_heads,
        "intermediate_size": network_config.intermediate, "max_position_embeddings": network_config.max_length,
        "rms_norm_eps": network_config.norm_eps, "tie_word_embeddings": network_config.tied,
        "rope_parameters": {"rope_type": "default", "rope_theta": network_config.rope_theta},
        "bos_token_id": None, "eos_token_id": network_config.end_id,
    }  # fmt: skip
    architecture = file.metadata["general.architecture"]
    if architecture != "qwen2":
        values["head_dim"] = network_config.head_dim
    return _CONFIGS[architecture](**values)


def _rename_weights_for_transformers(weights: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Returns `weights` by their parameter names in transformers, with the joined matrices (qkv, gate_up) split.

    `weights` has them by their names in this package's own network class.
    """
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    converted: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name in _TOP:
            converted[_TOP[name]] = tensor
            continue
        _, number, layer_name = name.split(".", 2)
        prefix = f"model.layers.{number}."
        if layer_name.startswith("qkv."):
            parts = torch.split(tensor, [queries, keys, keys])
            converted |= {
                f"{prefix}self_attn.{part}_proj.{layer_name.removeprefix('qkv.')}": value
                for part, value in zip("qkv", parts, strict=True)
            }
        elif layer_name.startswith("gate_up."):
            gate, up = tensor.chunk(2)
            converted |= {f"{prefix}mlp.gate_proj.weight": gate, f"{prefix}mlp.up_proj.weight": up}
        else:
            known_name = next(name for name in _LAYER if layer_name.startswith(name))
            converted[prefix + _LAYER[known_name] + layer_name.removeprefix(known_name)] = tensor
    return converted
