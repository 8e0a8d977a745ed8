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


def is_speculators(folder: Path) -> bool:
    """Returns whether a drafter's folder contains a checkpoint in the `speculators` format."""
    try:
        return "speculators_model_type" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def read_speculators_config(folder: Path) -> DrafterConfig:
    """Returns the drafter configuration of a `speculators` checkpoint.

    Raises UserError for an unsupported architecture.
    """
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layer = values.get("transformer_layer_config") or {}
    if reason := _unsupported(values, layer):
        raise UserError(f"drafter {folder} is not supported: {reason}; give --option drafter= another folder")
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


def _unsupported(values: Mapping[str, Any], layer: Mapping[str, Any]) -> str:
    """Returns which feature of a `speculators` checkpoint is not supported; empty if all are."""
    kind = values.get("speculators_model_type")
    if kind != "dspark":
        return f"its type is {kind!r}, and only dspark can be loaded"
    if values.get("markov_head_type", "vanilla") != "vanilla" or not values.get("markov_rank", 256):
        return "its Markov head is not of type vanilla"
    if not values.get("sample_from_anchor", True):
        return "it does not draft from the anchor (sample_from_anchor)"
    if "sliding_attention" in (layer.get("layer_types") or ()):
        return "it has sliding windows"
    rope = {**(layer.get("rope_scaling") or {}), **(layer.get("rope_parameters") or {})}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return "it scales RoPE"
    if layer.get("attention_bias"):
        return "its attention has biases"
    if values.get("enable_confidence_head", True) and not values.get("confidence_head_with_markov", True):
        return "its confidence head does not see the previous token"
    return ""


def convert_speculators_state(
    folder: Path, state: Mapping[str, Tensor], config: DrafterConfig, embedding: Tensor
) -> dict[str, Tensor]:
    """Returns a `speculators` checkpoint's weights under this project's names, with the draft vocabulary.

    `embedding` [vocabulary, hidden] is the target's; it serves where the checkpoint has no embedding of its mask token.
    Raises UserError if weights are missing.
    """

    def read(name: str) -> Tensor:
        if name not in state:
            raise UserError(f"drafter {folder} has no weights for {name}; give --option drafter= another folder")
        return state[name]

    found = {own: read(name) for own, name in _OTHERS.items()}
    for number in range(config.network.layers):
        for own, names in _LAYER.items():
            found[f"layers.{number}.{own}"] = torch.cat([read(f"layers.{number}.{name}") for name in names])
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    mask = state.get("embed_tokens.weight", embedding)[values["mask_token_id"]]
    found["mask"] = mask.expand(config.block - 1, -1)
    before = read("markov_head.markov_w1.weight")
    ids = torch.arange(config.network.vocab_size, device=before.device)
    if "d2t" in state:
        ids = ids + state["d2t"].to(ids.device)
    # An anchor outside the draft vocabulary has no row here: the mean stands for all of them.
    outside = torch.ones(len(before), dtype=torch.bool, device=before.device).index_fill_(0, ids, False)
    rest = before[outside].float().mean(dim=0, keepdim=True) if outside.any() else torch.zeros_like(before[:1])
    found["previous.weight"] = torch.cat((before[ids], rest.to(before.dtype)))
    size = config.network.hidden + config.rank
    found["confidence.weight"] = state.get("confidence_head.proj.weight", before.new_zeros(1, size))
    found["confidence.bias"] = state.get("confidence_head.proj.bias", before.new_full((1,), CERTAIN))
    return found | {"vocabulary": ids.int()}
