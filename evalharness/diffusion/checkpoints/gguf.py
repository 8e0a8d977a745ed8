"""Loads a network and its tokenizer from one GGUF file, llama.cpp's model format."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalharness.diffusion.checkpoints.families import FAMILIES
from evalharness.diffusion.checkpoints.file_rows import FileEmbedding, FileRows
from evalharness.diffusion.checkpoints.folder import build_network
from evalharness.diffusion.checkpoints.gguf_file import GgufFile, read_gguf
from evalharness.diffusion.checkpoints.gguf_tokenizer import end_tokens, read_gguf_tokenizer
from evalharness.diffusion.checkpoints.loading import Checkpoint
from evalharness.diffusion.config import ModelConfig
from evalharness.errors import UserError

ARCHITECTURES = ("llama", "qwen2", "qwen3")
_TOP = {"embed.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "head.weight": "output.weight"}
_LAYER = {
    "attention_norm.weight": ("attn_norm.weight",),
    "qkv.weight": ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    "qkv.bias": ("attn_q.bias", "attn_k.bias", "attn_v.bias"),
    "q_norm.weight": ("attn_q_norm.weight",),
    "k_norm.weight": ("attn_k_norm.weight",),
    "out.weight": ("attn_output.weight",),
    "mlp_norm.weight": ("ffn_norm.weight",),
    "gate_up.weight": ("ffn_gate.weight", "ffn_up.weight"),
    "down.weight": ("ffn_down.weight",),
}
"""For each tensor of a layer, the GGUF tensors (after `blk.N.`) that it consists of."""
ALIGNMENT = 32
"""Numbers between the beginnings of matrices in memory, a multiple of which is a cache line in every precision."""
_COMPARED_ROWS = 256
_SAME = 0.2
"""Embedding and output head that differ by less than this share of their norm are one tied matrix, quantized in two
ways.
"""


def open_gguf(path: Path, dtype: torch.dtype, device: torch.device | str = "cpu") -> Checkpoint:
    """Returns a GGUF file's network in evaluation mode, with tokenizer, chat template and end tokens.

    Raises UserError if the file cannot be read, or its architecture, tokenizer or quantization is not supported.
    """
    file = read_gguf(path)
    ends = end_tokens(file)
    config = gguf_config(file, min(ends))
    state = {name: tensor.to(device) for name, tensor in read_gguf_state(file, config, dtype).items()}
    if config.tied:
        state["head.weight"] = state["embed.weight"]
    model = build_network(config, state, str(path))
    if config.tied:
        model.embed = FileEmbedding(model.embed.weight, FileRows(file, _embedding_name(file)))
    return Checkpoint(model, read_gguf_tokenizer(file), FAMILIES[file.metadata["general.architecture"]], ends)


def gguf_config(file: GgufFile, end_id: int) -> ModelConfig:
    """Returns the network configuration in a GGUF file's metadata. Raises UserError if it is not supported."""
    architecture = file.metadata.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise UserError(
            f"{file.path} has architecture {architecture!r}; supported are {', '.join(ARCHITECTURES)}: give another "
            "file, or a folder to --backend transformers"
        )
    value = functools.partial(_read_value, file)
    scaling = value("rope.scaling.type", "none")
    if scaling != "none" or "rope_freqs.weight" in file.tensors:
        raise UserError(
            f"{file.path} uses RoPE scaling ({scaling}), which is not supported; give --model another model"
        )
    hidden, heads = int(value("embedding_length")), int(value("attention.head_count"))
    head_dim = int(value("attention.key_length", hidden // heads))
    return ModelConfig(
        vocab_size=file.entry("token_embd.weight").shape[0],
        hidden=hidden,
        layers=int(value("block_count")),
        heads=heads,
        kv_heads=int(value("attention.head_count_kv", heads)),
        head_dim=head_dim,
        intermediate=int(value("feed_forward_length")),
        mask_id=-1,
        end_id=end_id,
        pad_id=end_id,
        block_size=0,
        max_length=int(value("context_length")),
        rope_theta=float(value("rope.freq_base", 10_000.0)),
        rotary=int(value("rope.dimension_count", head_dim)) / head_dim,
        qkv_bias="blk.0.attn_q.bias" in file.tensors,
        qk_norm="blk.0.attn_q_norm.weight" in file.tensors,
        tied=_is_tied(file),
        norm_eps=round(float(value("attention.layer_norm_rms_epsilon")), 12),
    )


def read_gguf_state(file: GgufFile, config: ModelConfig, dtype: torch.dtype) -> dict[str, Tensor]:
    """Returns a GGUF file's weights under this project's parameter names.

    A tied network has no weight for the output head, which is its embedding.
    """
    names = dict(_TOP)
    if config.tied:
        del names["head.weight"]
        names["embed.weight"] = _embedding_name(file)
    state = {name: file.read(source, dtype) for name, source in names.items()}
    unused: tuple[str, ...] = () if config.qkv_bias else ("qkv.bias",)
    unused += () if config.qk_norm else ("q_norm.weight", "k_norm.weight")
    for number in range(config.layers):
        sources = {
            name: [f"blk.{number}.{part}" for part in parts] for name, parts in _LAYER.items() if name not in unused
        }
        layer = _empty_tensors({name: file.stacked_shape(parts) for name, parts in sources.items()}, dtype)
        for name, parts in sources.items():
            file.read_stacked(parts, layer[name])
            if name == "qkv.weight" and file.metadata["general.architecture"] == "llama":
                _restore_rotary_order(layer[name], config)
            state[f"layers.{number}.{name}"] = layer[name]
    return state


def _empty_tensors(shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype) -> dict[str, Tensor]:
    """Returns tensors of these shapes, all matrices in one piece of memory.

    The C library returns so large a piece to the system when the last matrix is freed. It keeps the memory of single
    matrices, with which the packing of a network of 0.5 billion parameters took 0.4 GB more.
    """
    matrices = {name: math.prod(shape) for name, shape in shapes.items() if len(shape) > 1}
    sizes = [-(-size // ALIGNMENT) * ALIGNMENT for size in matrices.values()]
    parts = dict(zip(matrices, torch.empty(sum(sizes), dtype=dtype).split(sizes), strict=True))  # type: ignore[no-untyped-call]
    return {
        name: parts[name][: matrices[name]].view(shape) if name in parts else torch.empty(shape, dtype=dtype)
        for name, shape in shapes.items()
    }


def _embedding_name(file: GgufFile) -> str:
    """Returns the name of the tensor with the matrix that embedding and output head of a tied network share.

    If a file has both, it is the head's, which files keep at a higher precision.
    """
    return "output.weight" if "output.weight" in file.tensors else "token_embd.weight"


def _restore_rotary_order(qkv: Tensor, config: ModelConfig) -> None:
    """Reorders the rows of a Llama GGUF's query and key matrices, in place, to the Hugging Face order."""
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    qkv[:queries] = undo_permutation(qkv[:queries], config.heads)
    qkv[queries : queries + keys] = undo_permutation(qkv[queries : queries + keys], config.kv_heads)


def undo_permutation(rows: Tensor, heads: int) -> Tensor:
    """Returns query or key weights `rows` [heads * head_dim, ...] of a Llama GGUF in the order of this project's RoPE.

    llama.cpp rotates pairs of neighbouring dimensions; this project rotates dimension i with i + head_dim / 2. The
    conversion to GGUF therefore permutes the rows of Llama models, by `LlamaModel.permute` in convert_hf_to_gguf.py,
    and this function is the inverse of that.
    """
    return rows.view(heads, -1, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def _is_tied(file: GgufFile) -> bool:
    """Returns whether embedding and output head of a GGUF file are one (tied) matrix.

    They are if the file has no head, or a head that differs from the embedding only by its quantization.
    """
    if "output.weight" not in file.tensors:
        return True
    embedding = file.read("token_embd.weight", torch.float32, _COMPARED_ROWS)
    head = file.read("output.weight", torch.float32, _COMPARED_ROWS)
    return bool((embedding - head).norm() < _SAME * head.norm())


def _read_value(file: GgufFile, key: str, default: Any = None) -> Any:
    """Returns a metadata value of a GGUF file's architecture, such as `block_count`.

    Raises UserError if there is none and no default is given.
    """
    name = f"{file.metadata['general.architecture']}.{key}"
    value = file.metadata.get(name, default)
    if value is None:
        raise UserError(f"{file.path} has no metadata value {name}; give --model a complete GGUF file")
    return value
