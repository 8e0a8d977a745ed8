"""Small random checkpoints in the exact formats of open model families, and transformers' models to compare with."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

MASK = 390
SIZES = {
    "vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 512, "bos_token_id": None, "eos_token_id": 0,
}  # fmt: skip
LLADA = {
    "d_model": "hidden_size", "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads", "mlp_hidden_size": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
}  # fmt: skip
RENAMED = {
    "model.embed_tokens.": "model.transformer.wte.", "model.norm.": "model.transformer.ln_f.",
    "lm_head.": "model.transformer.ff_out.", "model.layers.": "model.transformer.blocks.",
    ".self_attn.o_proj.": ".attn_out.", ".self_attn.": ".", ".mlp.gate_proj.": ".ff_proj.",
    ".mlp.up_proj.": ".up_proj.", ".mlp.down_proj.": ".ff_out.", ".input_layernorm.": ".attn_norm.",
    ".post_attention_layernorm.": ".ff_norm.",
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "llada": {"base": "llama", "rope_theta": 5e5, "num_key_value_heads": 4, "mask_token_id": MASK},
    "Dream": {"base": "qwen2", "rope_theta": 1e6, "mask_token_id": MASK},
    "open-dcoder": {"base": "qwen2", "tie_word_embeddings": True},
    "Fast_dLLM_Qwen": {"base": "qwen2", "bd_size": 32, "mask_token_id": MASK},
    "sdar": {"base": "qwen3", "block_size": 4, "head_dim": 16, "mask_token_id": MASK},
    "qwen2": {"base": "qwen2", "tie_word_embeddings": True},
    "qwen3": {"base": "qwen3", "head_dim": 16},
    "llama": {"base": "llama", "rope_theta": 5e5},
}
BASES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}


def build(folder: Path, kind: str, seed: int = 0) -> Any:
    """Writes a checkpoint of that family; returns the transformers model with the same weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    given = dict(KINDS[kind])
    base, theta = given.pop("base"), given.pop("rope_theta", 1e4)
    own = {key: given.pop(key) for key in ("mask_token_id", "bd_size", "block_size") if key in given}
    config_class, model_class = BASES[base]
    rope = {"rope_type": "default", "rope_theta": theta}
    config = config_class(**{**SIZES, **given, "rope_parameters": rope, "attn_implementation": "eager"})
    model = model_class(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(8) if parameter.dim() == 2 else parameter.add_(torch.randn_like(parameter) * 0.2)
    values = {key: getattr(config, key) for key in (*SIZES, "rms_norm_eps", "tie_word_embeddings")} | own
    # As in published files: theta at the top level, and the family's own model type.
    values |= {"rope_theta": theta, "rope_scaling": None, "model_type": "qwen2" if kind == "open-dcoder" else kind}
    if base == "qwen3":
        values |= {"head_dim": 16, "attention_bias": False}
    state = dict(model.state_dict())
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    if kind == "llada":
        values = {
            **{key: values[name] for key, name in LLADA.items()}, **own, "model_type": "llada", "vocab_size": 399,
            "embedding_size": 400, "weight_tying": False, "include_qkv_bias": False, "rope_theta": theta,
            "rms_norm_eps": config.rms_norm_eps, "eos_token_id": 0, "block_group_size": 1,
        }  # fmt: skip
        state = {_renamed(key): value for key, value in state.items()}
    (folder / "config.json").write_text(json.dumps(values))
    names = sorted(state)
    for number, keys in enumerate((names[::2], names[1::2]), 1):
        shard = {key: state[key].contiguous() for key in keys}
        save_file(shard, folder / f"model-0000{number}-of-00002.safetensors", metadata={"format": "pt"})
    _write_tokenizer(folder, ["<|end|>", *(["<M>"] if kind == "open-dcoder" else [])])
    return model


def _renamed(key: str) -> str:
    for old, new in RENAMED.items():
        key = key.replace(old, new)
    return key


def _write_tokenizer(folder: Path, special: list[str]) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    turns = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    template = turns + "{% if add_generation_prompt %}<a>{% endif %}"
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>", "chat_template": template}))


def logits(model: Any, tokens: list[int], visible: torch.Tensor) -> torch.Tensor:
    """The logits [T, V] of transformers for tokens under a mask [T, T], true where a position attends to another."""
    bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    found: torch.Tensor = model(torch.tensor([tokens]), attention_mask=bias[None, None], use_cache=False).logits[0]
    return found


def block_causal(size: int, block: int) -> torch.Tensor:
    """Each position attends to its own block and to earlier blocks."""
    order = torch.arange(size) // block
    return order[:, None] >= order
