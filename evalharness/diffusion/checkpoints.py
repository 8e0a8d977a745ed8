"""Opens a checkpoint: one of our own folders, or a folder or hub id in the format of an open family."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from evalharness.diffusion.families import OWN, Family
from evalharness.diffusion.fast_tokenizer import read_tokenizer
from evalharness.diffusion.model import Transformer
from evalharness.diffusion.weights import load
from evalharness.errors import UserError


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
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise UserError(f"model folder {name} does not exist; give --model an existing folder")
    model = load(folder, dtype, device)
    return Checkpoint(model, read_tokenizer(folder), OWN, frozenset({model.config.end_id}))
