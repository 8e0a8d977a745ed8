"""Writes the checkpoint of a model of transformers' as a GGUF file, in the way of llama.cpp's converter."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

NAMES = {
    "model.embed_tokens.": "token_embd.", "model.norm.": "output_norm.", "lm_head.": "output.", "model.layers.": "blk.",
    ".self_attn.q_proj.": ".attn_q.", ".self_attn.k_proj.": ".attn_k.", ".self_attn.v_proj.": ".attn_v.",
    ".self_attn.o_proj.": ".attn_output.", ".self_attn.q_norm.": ".attn_q_norm.", ".self_attn.k_norm.": ".attn_k_norm.",
    ".mlp.gate_proj.": ".ffn_gate.", ".mlp.up_proj.": ".ffn_up.", ".mlp.down_proj.": ".ffn_down.",
    ".input_layernorm.": ".attn_norm.", ".post_attention_layernorm.": ".ffn_norm.",
}  # fmt: skip
Kind = gguf.GGMLQuantizationType


def write_gguf(
    path: Path, folder: Path, model: Any, kind: Kind = Kind.F32, permute: bool = True, split: str = "default"
) -> Path:
    """Writes `model` with the tokenizer of `folder`; matrices in `kind` where their rows are long enough for it.

    Without `permute` the file is wrong for architecture llama.
    """
    config = model.config
    architecture = config.model_type
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if architecture == "qwen3":
        writer.add_key_length(config.head_dim)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if kind == Kind.F32 else gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer, folder, config.vocab_size, split)
    state = dict(model.state_dict())
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    for name, tensor in state.items():
        values = tensor.float().numpy()
        if architecture == "llama" and permute and ("q_proj" in name or "k_proj" in name):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            # LlamaModel.permute of convert_hf_to_gguf.py.
            halves = values.reshape(heads, 2, -1, *values.shape[1:])
            values = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
        for old, new in NAMES.items():
            name = name.replace(old, new)
        fits = values.ndim == 2 and values.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0
        stored = kind if fits else Kind.F32
        writer.add_tensor(name, gguf.quantize(values, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, size: int, split: str) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    content = json.loads((folder / "tokenizer.json").read_text())
    names = {number: name for name, number in tokenizer.get_vocab().items()}
    special = set(tokenizer.get_added_tokens_decoder())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list([names.get(number, f"[PAD{number}]") for number in range(size)])
    writer.add_token_types([3 if number in special else 1 if number in names else 5 for number in range(size)])
    merges = content["model"]["merges"]
    if merges:
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(0)
    writer.add_chat_template(json.loads((folder / "tokenizer_config.json").read_text())["chat_template"])


def logits(model: Any, tokens: list[int]) -> torch.Tensor:
    """Logits [T, V] of one of our networks for a text."""
    order = torch.arange(len(tokens))
    sees = order[:, None] >= order
    found: torch.Tensor = model.logits(model(torch.tensor([tokens]), order[None], sees[None, None]))[0]
    return found
