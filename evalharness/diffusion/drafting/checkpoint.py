"""Drafter checkpoints: config.json and model.safetensors (8-bit or plain), without the target's matrices.

Checkpoints of `speculators` (vLLM) load, too.
"""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from evalharness.diffusion.checkpoints.folder import FILE, dequantize_weights, quantize_weights
from evalharness.diffusion.drafting.config import read_drafter_config, write_drafter_config
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.drafting.speculators import (
    convert_speculators_weights,
    is_speculators_checkpoint,
    read_speculators_config,
)
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError


def save_drafter(drafter: Drafter, folder: Path, *, quantized: bool) -> None:
    """Writes a drafter's configuration (config.json) and weights (model.safetensors) into `folder`.

    If `quantized`, matrices are stored as int8 with one scale per row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_drafter_config(drafter.config, folder)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in drafter.state_dict().items()}
    vocabulary = state.pop("vocabulary")
    if quantized:
        state = quantize_weights(state)
    (folder / FILE).write_bytes(to_bytes(state | {"vocabulary": vocabulary}, metadata={"format": "pt"}))


def load_drafter(folder: Path, target: Transformer) -> Drafter:
    """Returns the drafter in a checkpoint folder, attached to its target, in evaluation mode.

    It has the target's device and dtype. Raises UserError if the folder has no drafter, or one for a target with
    another hidden size or more layers.
    """
    foreign = is_speculators_checkpoint(folder)
    config = read_speculators_config(folder) if foreign else read_drafter_config(folder)
    weight = target.embed.weight
    if config.network.hidden != target.config.hidden or max(config.taps) >= target.config.layers:
        raise UserError(
            f"drafter {folder} was trained for model {config.target}, which has other sizes than this model (hidden "
            f"size {config.network.hidden} and at least {max(config.taps) + 1} layers; this model has hidden size "
            f"{target.config.hidden} and {target.config.layers} layers); give --option drafter= a drafter that was "
            "trained for this model"
        )
    try:
        state = load_file(folder / FILE, device=str(weight.device))
        if foreign:
            state = convert_speculators_weights(folder, state, config, weight)
        vocabulary = state.pop("vocabulary")
        # On the meta device no weights are allocated and initialized, since `state` replaces them all.
        with torch.device("meta"):
            drafter = Drafter(config)
        state = dequantize_weights(state) | {"vocabulary": vocabulary}
        # Tensors that were not quantized are views of the whole file, which would stay in memory with them.
        drafter.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, assign=True)
    except UserError:
        raise
    except Exception as error:  # safetensors raises its own and the system's errors alike
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{folder / FILE} cannot be read: {reason}; give --option drafter= another folder") from None
    drafter = drafter.to(weight.dtype).eval().requires_grad_(False)
    drafter.attach_target(target)
    return drafter


def target_fingerprint(target: Transformer) -> str:
    """Returns a SHA-256 digest, in hex, of a target network's sizes and some of its weights, which identifies it.

    The digest is used to find the drafter that was trained for the target. It does not depend on the weights' dtype.
    """
    config = target.config
    sizes = (config.vocab_size, config.hidden, config.layers, config.heads, config.kv_heads, config.intermediate)
    digest = hashlib.sha256(repr(sizes).encode())
    first = torch.arange(min(64, config.vocab_size), device=target.norm.weight.device)
    for weights in (target.embed(first), target.norm.weight):
        digest.update(weights.detach().to(torch.bfloat16).float().cpu().numpy().tobytes())
    return digest.hexdigest()
