"""Opens a checkpoint: one of our own folders, or a folder or hub id in the format of an open family."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from evalharness.diffusion.checkpoints.families import FAMILIES, OWN, Family
from evalharness.diffusion.checkpoints.folder import build, load
from evalharness.diffusion.checkpoints.hugging_face import model_config, read_state
from evalharness.diffusion.checkpoints.tokenizer import read_tokenizer
from evalharness.diffusion.config import MODEL_TYPE
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError

FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja")
"""What is fetched from the hub: no Python, no pickles."""


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode, its tokenizer, what its family expects, and its end tokens."""

    model: Transformer
    tokenizer: Any
    family: Family
    ends: frozenset[int]


def open_checkpoint(name: str, dtype: torch.dtype, device: torch.device, revision: str | None = None) -> Checkpoint:
    """The checkpoint of that folder or hub id. No code of its own is run.

    Raises UserError where it cannot be had, or is of no family that is known.
    """
    folder = find_folder(name, revision)
    values = read_json(folder / "config.json")
    if not values:
        raise UserError(f"{folder / 'config.json'} cannot be read; give --model a checkpoint folder")
    kind = str(values.get("model_type"))
    if kind == MODEL_TYPE:
        model = load(folder, dtype, device)
        return Checkpoint(model, read_tokenizer(folder), OWN, frozenset({model.config.end_id}))
    if kind not in FAMILIES:
        known = ", ".join(sorted({MODEL_TYPE, *FAMILIES}))
        raise UserError(
            f"model {name} is of type {kind!r}, which is not known here ({known}); try --backend transformers"
        )
    tokenizer = open_tokenizer(name, folder)
    family = FAMILIES[kind]
    if kind == "qwen2" and FAMILIES["open-dcoder"].mask in tokenizer.get_vocab():
        family = FAMILIES["open-dcoder"]
    ends = end_tokens(folder, values, tokenizer, family)
    if not ends:
        raise UserError(f"model {name} names no end token, neither in config.json nor in its tokenizer")
    mask_id = tokenizer.get_vocab()[family.mask] if family.mask else values.get("mask_token_id") or family.mask_id
    config = model_config(values, family, mask_id, min(ends))
    model = build(config, read_state(folder, config, family, dtype, device), str(folder))
    return Checkpoint(model, tokenizer, family, ends)


def find_folder(name: str, revision: str | None) -> Path:
    """The folder of that name, or where the hub's files of that id are kept. Raises UserError where neither is."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith(("/", ".", "~")):
        raise UserError(f"model folder {name} does not exist; give --model an existing folder or a hub id")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except Exception as error:  # the hub client's and the network's errors have no common type
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"model {name} cannot be had: {reason}; check --model (a folder or hub id) and the network"
        ) from None


def open_tokenizer(name: str, folder: Path) -> Any:
    """The folder's tokenizer with its chat template, as transformers reads it without the folder's own code."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    fast = (folder / "tokenizer.json").is_file()
    # Dream's own class is Qwen2's, copied; its files are Qwen2's too.
    kind = transformers.PreTrainedTokenizerFast if fast else transformers.Qwen2Tokenizer
    try:
        return kind.from_pretrained(str(folder))
    except Exception as error:  # what broken files raise has no common type
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the tokenizer of model {name} cannot be read: {reason}") from None


def end_tokens(folder: Path, values: dict[str, Any], tokenizer: Any, family: Family) -> frozenset[int]:
    """The ids that end an answer: those of both configurations, the tokenizer's, and the family's."""
    found: set[int] = set()
    for source in (values, read_json(folder / "generation_config.json")):
        ids = source.get("eos_token_id")
        found |= set(ids if isinstance(ids, list) else [ids]) - {None}
    vocabulary = tokenizer.get_vocab()
    found |= {vocabulary[end] for end in family.ends if end in vocabulary}
    return frozenset(found | ({tokenizer.eos_token_id} - {None}))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where there is no file. Raises UserError for one that cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}; mend it, or fetch the checkpoint again") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no JSON object; mend it, or fetch the checkpoint again")
    return values
