"""Loads drafters in the checkpoint format of `speculators` (vLLM), if they have this project's architecture.

That is the format's `dspark` with a first-order Markov head. Source: vllm-project/speculators, `models/dspark` and
`models/dflash`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalharness.diffusion.checkpoints.hugging_face import LLAMA
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.errors import UserError

_LAYER = {
    own: names for own, names in LLAMA.items() if own not in ("embed.weight", "norm.weight", "head.weight", "qkv.bias")
}
_OTHERS = {
    "fuse.weight": "fc.weight",
    "fuse_norm.weight": "hidden_norm.weight",
    "norm.weight": "norm.weight",
    "following.weight": "markov_head.markov_w2.weight",
}
CERTAIN = 20.0
"""The acceptance logit for checkpoints without a confidence head, so that drafts are never shortened by it."""


def is_speculators_checkpoint(folder: Path) -> bool:
    """Returns whether a folder contains a drafter checkpoint in the format of the library `speculators` (vLLM)."""
    try:
        return "speculators_model_type" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def read_speculators_config(folder: Path) -> DrafterConfig:
    """Returns the drafter configuration in the folder of a `speculators` checkpoint.

    Raises UserError for an unsupported architecture or an invalid file.
    """
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layer = values.get("transformer_layer_config") or {}
    if reason := _why_drafter_is_unsupported(values, layer):
        raise UserError(f"drafter {folder} is not supported: {reason}; give --option drafter= another drafter")
    try:
        heads = int(layer["num_attention_heads"])
        rope = {**layer, **(layer.get("rope_parameters") or {})}
        network = ModelConfig(
            vocab_size=int(values["draft_vocab_size"]), hidden=layer["hidden_size"], layers=layer["num_hidden_layers"],
            heads=heads, kv_heads=layer.get("num_key_value_heads") or heads,
            head_dim=layer.get("head_dim") or layer["hidden_size"] // heads, intermediate=layer["intermediate_size"],
            mask_id=-1, end_id=-1, pad_id=-1, block_size=int(values["block_size"]),
            max_length=layer.get("max_position_embeddings") or 32_768, attention="block_causal",
            rope_theta=float(rope.get("rope_theta") or 10_000.0), qk_norm=True, tied=False,
            norm_eps=layer.get("rms_norm_eps") or 1e-6,
        )  # fmt: skip
        # The format numbers states as transformers does: 0 is the embedding, n the output of layer n - 1.
        taps = tuple(int(number) - 1 for number in values["aux_hidden_state_layer_ids"])
        verifier = (values.get("speculators_config") or {}).get("verifier") or {}
        target = verifier.get("name_or_path") or "another model"
        return DrafterConfig(
            network, taps, network.block_size, int(values["markov_rank"]), target=target, tap_norms=False
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(
            f"{folder / 'config.json'} cannot be read ({reason}); give --option drafter= another folder"
        ) from None


def _why_drafter_is_unsupported(config_values: Mapping[str, Any], layer_values: Mapping[str, Any]) -> str:
    """Returns why a drafter in `speculators` format is not supported, as a clause; an empty string if it is supported.

    `config_values` is its config.json, and `layer_values` the part of it that describes the Transformer layers.
    """
    kind = config_values.get("speculators_model_type")
    if kind != "dspark":
        return f"its type is {kind!r}, and only dspark can be loaded"
    if config_values.get("markov_head_type", "vanilla") != "vanilla" or not config_values.get("markov_rank", 256):
        return "its Markov head is not of type vanilla"
    if not config_values.get("sample_from_anchor", True):
        return "it does not draft a token at the anchor (sample_from_anchor is false)"
    if "sliding_attention" in (layer_values.get("layer_types") or ()):
        return "it has layers with sliding-window attention"
    rope = {**(layer_values.get("rope_scaling") or {}), **(layer_values.get("rope_parameters") or {})}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return "it uses RoPE scaling"
    if layer_values.get("attention_bias"):
        return "its attention layers have biases (attention_bias is true)"
    if config_values.get("enable_confidence_head", True) and not config_values.get("confidence_head_with_markov", True):
        return "its confidence head does not see the previous token (confidence_head_with_markov is false)"
    return ""


def convert_speculators_weights(
    folder: Path, state: Mapping[str, Tensor], config: DrafterConfig, target_embedding: Tensor
) -> dict[str, Tensor]:
    """Converts the weights and the draft vocabulary of a `speculators` checkpoint to a state dict of `Drafter`.

    `state` is the checkpoint's own state dict. If it has no embedding, the mask token's embedding is taken from the
    target's `target_embedding` [vocabulary, hidden]. Raises UserError if weights are missing.
    """

    def read_weight(name: str) -> Tensor:
        if name not in state:
            raise UserError(
                f"drafter {folder} has no weight tensor {name}; give --option drafter= a complete checkpoint"
            )
        return state[name]

    converted = {own: read_weight(name) for own, name in _OTHERS.items()}
    for number in range(config.network.layers):
        for own, names in _LAYER.items():
            converted[f"layers.{number}.{own}"] = torch.cat([read_weight(f"layers.{number}.{name}") for name in names])
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    mask = state.get("embed_tokens.weight", target_embedding)[values["mask_token_id"]]
    converted["mask"] = mask.expand(config.block - 1, -1)
    before = read_weight("markov_head.markov_w1.weight")
    ids = torch.arange(config.network.vocab_size, device=before.device)
    if "d2t" in state:
        ids = ids + state["d2t"].to(ids.device)
    # An anchor outside the draft vocabulary has no row here: the mean stands for all of them.
    outside = torch.ones(len(before), dtype=torch.bool, device=before.device).index_fill_(0, ids, False)
    outside_mean = before[outside].float().mean(dim=0, keepdim=True) if outside.any() else torch.zeros_like(before[:1])
    converted["previous.weight"] = torch.cat((before[ids], outside_mean.to(before.dtype)))
    size = config.network.hidden + config.rank
    converted["confidence.weight"] = state.get("confidence_head.proj.weight", before.new_zeros(1, size))
    converted["confidence.bias"] = state.get("confidence_head.proj.bias", before.new_full((1,), CERTAIN))
    return converted | {"vocabulary": ids.int()}
