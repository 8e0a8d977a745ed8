"""Loads a network and its tokenizer from one GGUF file, llama.cpp's model format."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalharness.diffusion.checkpoints.families import FAMILIES
from evalharness.diffusion.checkpoints.folder import build_network
from evalharness.diffusion.checkpoints.gguf_file import GgufFile, read_gguf
from evalharness.diffusion.checkpoints.gguf_tokenizer import read_end_token_ids, read_gguf_tokenizer
from evalharness.diffusion.checkpoints.lazy_gguf import LazyGgufEmbedding, LazyGgufMatrix
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
    """Returns the network in a GGUF file, in evaluation mode, with its tokenizer, chat template and end (EOS) tokens.

    Raises UserError if the file cannot be read, or its architecture, tokenizer or quantization is not supported.
    """
    file = read_gguf(path)
    ends = read_end_token_ids(file)
    config = read_gguf_config(file, min(ends))
    state = {name: tensor.to(device) for name, tensor in read_gguf_weights(file, config, dtype).items()}
    if config.tied:
        state["head.weight"] = state["embed.weight"]
    model = build_network(config, state, str(path))
    if config.tied:
        model.embed = LazyGgufEmbedding(model.embed.weight, LazyGgufMatrix(file, _find_tied_embedding_name(file)))
    return Checkpoint(model, read_gguf_tokenizer(file), FAMILIES[file.metadata["general.architecture"]], ends)


def read_gguf_config(file: GgufFile, end_id: int) -> ModelConfig:
    """Returns the network configuration that a GGUF file's metadata describes; `end_id` is the end (EOS) token's id.

    Raises UserError for an unsupported network.
    """
    architecture = file.metadata.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise UserError(
            f"GGUF file {file.path} has the unsupported architecture {architecture!r} (supported: "
            f"{', '.join(ARCHITECTURES)}); use another file, or the model's Hugging Face folder with --backend "
            "transformers"
        )
    value = functools.partial(_read_hyperparameter, file)
    scaling = value("rope.scaling.type", "none")
    if scaling != "none" or "rope_freqs.weight" in file.tensors:
        raise UserError(
            f"GGUF file {file.path} uses RoPE scaling ({scaling}), which is not supported; give --model another model"
        )
    hidden, heads = int(value("embedding_length")), int(value("attention.head_count"))
    head_dim = int(value("attention.key_length", hidden // heads))
    return ModelConfig(
        vocab_size=file.find_tensor("token_embd.weight").shape[0],
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
        tied=_has_tied_embeddings(file),
        norm_eps=round(float(value("attention.layer_norm_rms_epsilon")), 12),
    )


def read_gguf_weights(file: GgufFile, config: ModelConfig, dtype: torch.dtype) -> dict[str, Tensor]:
    """Returns the weights in a GGUF file as a state dict with this project's parameter names.

    With tied embeddings (one matrix is embedding and output head), the dict has no entry for the output head.
    """
    names = dict(_TOP)
    if config.tied:
        del names["head.weight"]
        names["embed.weight"] = _find_tied_embedding_name(file)
    state = {name: file.read_tensor(source, dtype) for name, source in names.items()}
    unused: tuple[str, ...] = () if config.qkv_bias else ("qkv.bias",)
    unused += () if config.qk_norm else ("q_norm.weight", "k_norm.weight")
    for number in range(config.layers):
        sources = {
            name: [f"blk.{number}.{part}" for part in parts] for name, parts in _LAYER.items() if name not in unused
        }
        layer = _allocate_tensors({name: file.stacked_tensor_shape(parts) for name, parts in sources.items()}, dtype)
        for name, parts in sources.items():
            file.read_stacked_tensors(parts, layer[name])
            if name == "qkv.weight" and file.metadata["general.architecture"] == "llama":
                _undo_rope_permutations(layer[name], config)
            state[f"layers.{number}.{name}"] = layer[name]
    return state


def _allocate_tensors(shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype) -> dict[str, Tensor]:
    """Returns uninitialized tensors of the given shapes, by name; all matrices share one memory allocation.

    The C library returns such a large allocation to the operating system when the last matrix is freed. If each matrix
    has its own allocation, the library keeps the freed memory: `pack_linear_layers`, which frees the matrices of a
    network, then took 0.4 GB more for 0.5 billion parameters.
    """
    matrices = {name: math.prod(shape) for name, shape in shapes.items() if len(shape) > 1}
    sizes = [-(-size // ALIGNMENT) * ALIGNMENT for size in matrices.values()]
    parts = dict(zip(matrices, torch.empty(sum(sizes), dtype=dtype).split(sizes), strict=True))  # type: ignore[no-untyped-call]
    return {
        name: parts[name][: matrices[name]].view(shape) if name in parts else torch.empty(shape, dtype=dtype)
        for name, shape in shapes.items()
    }


def _find_tied_embedding_name(file: GgufFile) -> str:
    """Returns the name of the GGUF tensor to load as embedding and output head of a network with tied embeddings.

    If the file has both tensors, this is the output head's, because files store it with higher precision.
    """
    return "output.weight" if "output.weight" in file.tensors else "token_embd.weight"


def _undo_rope_permutations(qkv: Tensor, config: ModelConfig) -> None:
    """Reorders the query and key rows of a Llama GGUF's QKV matrix in place; see `undo_rope_permutation`."""
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    qkv[:queries] = undo_rope_permutation(qkv[:queries], config.heads)
    qkv[queries : queries + keys] = undo_rope_permutation(qkv[queries : queries + keys], config.kv_heads)


def undo_rope_permutation(weight_rows: Tensor, heads: int) -> Tensor:
    """Returns the query or key weights of a Llama GGUF with their rows in the order of this project's RoPE.

    `weight_rows` [heads * head_dim, ...] are the weights in the file's order. llama.cpp rotates pairs of neighbouring
    dimensions; this project rotates dimension i together with dimension i + head_dim / 2. `LlamaModel.permute` in
    llama.cpp's convert_hf_to_gguf.py therefore permutes the rows of Llama models; this function applies the inverse
    permutation.
    """
    return weight_rows.view(heads, -1, 2, *weight_rows.shape[1:]).transpose(1, 2).reshape(weight_rows.shape)


def _has_tied_embeddings(file: GgufFile) -> bool:
    """Returns whether the network in a GGUF file uses its embedding matrix as output head, too (tied embeddings).

    This is so if the file has no output head, or one that differs from the embedding only by its quantization.
    """
    if "output.weight" not in file.tensors:
        return True
    embedding = file.read_tensor("token_embd.weight", torch.float32, _COMPARED_ROWS)
    head = file.read_tensor("output.weight", torch.float32, _COMPARED_ROWS)
    return bool((embedding - head).norm() < _SAME * head.norm())


def _read_hyperparameter(file: GgufFile, key: str, default: Any = None) -> Any:
    """Returns a hyperparameter of the network from a GGUF file's metadata, such as `block_count`.

    Raises UserError if the file does not have it and no default is given.
    """
    name = f"{file.metadata['general.architecture']}.{key}"
    value = file.metadata.get(name, default)
    if value is None:
        raise UserError(f"GGUF file {file.path} has no metadata value {name}; give --model a complete file")
    return value
