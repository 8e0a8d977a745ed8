"""Opens network checkpoints, in this project's format or an open model family's, from a folder or the hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from evalharness.diffusion.checkpoints.families import FAMILIES, OWN, ModelFamily
from evalharness.diffusion.checkpoints.folder import build_network, load_checkpoint
from evalharness.diffusion.checkpoints.hugging_face import parse_model_config, read_weights
from evalharness.diffusion.checkpoints.tokenizer import read_tokenizer
from evalharness.diffusion.config import MODEL_TYPE
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError
from evalharness.util.text import error_text

FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja")
"""Files to download from the hub: no Python code and no pickles."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded network in evaluation mode with its tokenizer, its model family, and the ids of its end tokens."""

    model: Transformer
    tokenizer: Any
    family: ModelFamily
    end_ids: frozenset[int]


def open_checkpoint(
    model_name: str, dtype: torch.dtype, device: torch.device, revision: str | None = None
) -> Checkpoint:
    """Returns the network, tokenizer and model family of checkpoint `model_name`, a folder or a Hugging Face hub id.

    No code from the checkpoint is run. Raises UserError if the checkpoint is not available, or if its
    model family is unknown.
    """
    folder = find_checkpoint_folder(model_name, revision)
    values = read_json_object(folder / "config.json")
    if not values:
        raise UserError(f"{folder / 'config.json'} is missing or empty; give --model a checkpoint folder")
    kind = str(values.get("model_type"))
    if kind == MODEL_TYPE:
        model = load_checkpoint(folder, dtype, device)
        return Checkpoint(model, read_tokenizer(folder), OWN, frozenset({model.config.end_id}))
    if kind not in FAMILIES:
        supported = ", ".join(sorted({MODEL_TYPE, *FAMILIES}))
        raise UserError(
            f"model {model_name} has model_type {kind!r}, which this backend does not support (it supports "
            f"{supported}); use --backend transformers"
        )
    tokenizer = open_tokenizer(model_name, folder)
    family = FAMILIES[kind]
    if kind == "qwen2" and FAMILIES["open-dcoder"].mask_token in tokenizer.get_vocab():
        family = FAMILIES["open-dcoder"]
    end_ids = find_end_token_ids(folder, values, tokenizer, family)
    if not end_ids:
        raise UserError(
            f"model {model_name} has no end (EOS) token in its config.json or tokenizer; add eos_token_id to its "
            "config.json"
        )
    mask_id = (
        tokenizer.get_vocab()[family.mask_token] if family.mask_token else values.get("mask_token_id") or family.mask_id
    )
    config = parse_model_config(values, family, mask_id, min(end_ids))
    model = build_network(config, read_weights(folder, config, family, dtype, device), str(folder))
    return Checkpoint(model, tokenizer, family, end_ids)


def is_gguf(model_name: str) -> bool:
    """Returns whether a `--model` value is the name of a GGUF file, which `open_gguf` loads."""
    return model_name.lower().endswith(".gguf")


def gguf_manifest_entries(model_name: str) -> dict[str, str]:
    """Returns the quantization and SHA-256 digest of a GGUF model for a run's manifest; {} for other models."""
    if not is_gguf(model_name):
        return {}
    from evalharness.diffusion.checkpoints.gguf_file import read_gguf_identity

    return read_gguf_identity(Path(model_name).expanduser()).to_manifest()


def find_checkpoint_folder(model_name: str, revision: str | None) -> Path:
    """Returns the folder of a checkpoint: `model_name` itself, or for a hub id its local copy, downloaded if needed.

    Raises UserError if neither the folder nor the hub id exists.
    """
    folder = Path(model_name).expanduser()
    if folder.is_dir():
        return folder
    if model_name.startswith(("/", ".", "~")):
        raise UserError(f"model folder {model_name} does not exist; give --model an existing folder or a hub id")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model_name, revision=revision, allow_patterns=list(FILES)))
    except Exception as error:  # the hub client's and the network's errors have no common type
        reason = error_text(error)
        raise UserError(
            f"model {model_name} is not available: {reason}; check --model (a folder or hub id) and the network "
            "connection"
        ) from None


def open_tokenizer(model_name: str, checkpoint_folder: Path) -> Any:
    """Returns the transformers tokenizer in a checkpoint folder; runs no code from the folder."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    fast = (checkpoint_folder / "tokenizer.json").is_file()
    # Dream's tokenizer class is a copy of Qwen2's, with the same files.
    kind = transformers.PreTrainedTokenizerFast if fast else transformers.Qwen2Tokenizer
    try:
        return kind.from_pretrained(str(checkpoint_folder))
    except Exception as error:  # what broken files raise has no common type
        reason = error_text(error)
        raise UserError(
            f"the tokenizer of model {model_name} cannot be read ({reason}); give --model a complete checkpoint"
        ) from None


def find_end_token_ids(
    checkpoint_folder: Path, config_values: dict[str, Any], tokenizer: Any, family: ModelFamily
) -> frozenset[int]:
    """Returns the ids of a checkpoint's end (EOS) tokens.

    They come from config.json (`config_values`), generation_config.json, the tokenizer and the model family.
    """
    end_ids: set[int] = set()
    for source in (config_values, read_json_object(checkpoint_folder / "generation_config.json")):
        ids = source.get("eos_token_id")
        end_ids |= set(ids if isinstance(ids, list) else [ids]) - {None}
    vocabulary = tokenizer.get_vocab()
    end_ids |= {vocabulary[end] for end in family.end_tokens if end in vocabulary}
    return frozenset(end_ids | ({tokenizer.eos_token_id} - {None}))


def read_json_object(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file of a checkpoint; an empty dict if the file does not exist.

    Raises UserError if the file cannot be read or contains no object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}; fix it, or download the checkpoint again") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} contains no JSON object; fix it, or download the checkpoint again")
    return values
